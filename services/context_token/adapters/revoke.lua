-- Ends a token at once, and says so for the rest of its life, also when body and state were lost before.
-- KEYS[1] body, KEYS[2] state of the token, KEYS[3] live tokens of the user
-- ARGV: what is left of its life in ms, id of the token in the live set
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[2], 'r', 1)
redis.call('PEXPIRE', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[2])
return 1
