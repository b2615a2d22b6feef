-- What is in flight for a subject.

local SOON = 1000000 -- when something in flight will end nobody knows; asking again after a second is cheap

-- How many reservations of a subject are in flight, when the last of them ends, and how long to wait for one.
local function in_flight(key, cap)
  local count = call('ZCOUNT', key, '(' .. int(now), '+inf')
  if count == 0 then
    return 0, 0, 0
  end
  local last = tonumber(call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]) - now
  if count < cap then
    return count, last, 0
  end
  local first = call('ZRANGEBYSCORE', key, '(' .. int(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  return count, last, min(SOON, tonumber(first[2]) - now)
end
