-- Ends a conversation: its key goes, and with it everything that it sealed. The counters stay.
-- KEYS[1] values, indexes and the wrapped key. Answers whether there was anything, and whether its key was there.
local key = redis.call('HEXISTS', KEYS[1], 'k')
return {redis.call('DEL', KEYS[1]), key}
