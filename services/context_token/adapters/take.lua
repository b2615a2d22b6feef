-- Hands out a body; a single-use token goes to one consumer, who may ask again for a while.
-- KEYS[1] body, KEYS[2] state of the token, KEYS[3] live tokens of the user
-- ARGV: 1 for a single-use token, consumer, ms that it may ask again, id of the token in the live set
-- Answers the record, or a cause: gone, revoked, replayed. Body and state must both be there: losing either refuses.
local state = redis.call('HMGET', KEYS[2], 'i', 'r', 'u', 'at')
if state[2] then
  return {'revoked'}
end
if not state[1] then
  return {'gone'}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] == '1' and state[3] and (state[3] ~= ARGV[2] or now - tonumber(state[4]) > tonumber(ARGV[3])) then
  return {'replayed'}
end
local record = redis.call('GET', KEYS[1])
if not record then
  return {'gone'}
end
if ARGV[1] == '1' and not state[3] then
  redis.call('HSET', KEYS[2], 'u', ARGV[2], 'at', now)
  redis.call('ZREM', KEYS[3], ARGV[4])
  if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[3]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
  end
end
return {'', record}
