-- Gives each value its number and keeps it, all at once, under the one key of the conversation.
-- KEYS[1] values, indexes and the wrapped key of the conversation (field k), KEYS[2] its counters (they outlive the
--   values: no number comes twice)
-- ARGV: seconds to keep values, seconds to keep counters, most fields,
--   the wrapped key that the caller saw ('' for none), the one to keep from now on, 1 when that is another key,
--   then for each value: entity, index, number that the record was sealed for, record
-- Answers two integers a value: its number, and 1 when its record is kept (0: seal it again for that number).
--   {-1}: too many values. {-2, key}: the conversation has this key, or '' for none, and not the one that was seen.
local fields, seen, key, other = tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6] == '1'
local stored = redis.call('HGET', KEYS[1], 'k') or ''
if stored ~= seen then
  return {-2, stored}
end
if other then
  -- What another key sealed is of no more use, and a destroyed key never comes back.
  redis.call('DEL', KEYS[1])
end
if stored ~= key then
  redis.call('HSET', KEYS[1], 'k', key)
end
local answer = {}
for at = 7, #ARGV, 4 do
  local entity, index = ARGV[at], 'i' .. ARGV[at + 1]
  local sealed_for, record = tonumber(ARGV[at + 2]), ARGV[at + 3]
  local known = redis.call('HGET', KEYS[1], index)
  local number = tonumber(known)
  if not number then
    if redis.call('HLEN', KEYS[1]) + 2 > fields then
      answer = {-1}
      break
    end
    number = redis.call('HINCRBY', KEYS[2], entity, 1)
    redis.call('HSET', KEYS[1], index, number)
  end
  local place = 'v' .. entity .. ':' .. number
  local kept = known and redis.call('HEXISTS', KEYS[1], place) or 0
  if kept == 0 and number == sealed_for then
    redis.call('HSET', KEYS[1], place, record)
    kept = 1
  end
  answer[#answer + 1] = number
  answer[#answer + 1] = kept
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[2])
return answer
