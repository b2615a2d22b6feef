-- Shared by every script: the clock, and what is kept. (`windows.lua`: what it means; `penalties.lua`; `holds.lua`: what
-- becomes of a hold.) All amounts are integers. Lua prints numbers with 14 digits, so what is stored as text goes through
-- string.format.
--
-- What is kept for one subject, all in the slot of its partition, of a size that does not grow with time:
--   <subject>        a hash; expires by itself, one PEXPIRE for each write
--     <id>|g<window>     GCRA: microseconds since 1970 at which the limit is whole again
--     <id>|s<window>     sliding: window, current, previous as three doubles (`state.lua`)
--     <id>|d, |w, |m     calendar (UTC): the same; a window is named by the second in which it begins.
--     <id>|d@<zone>      calendar of a brand's zone
--     pen                penalty: `score:at:strikes:level:until`: a score in millionths as of `at`, how often it was
--                        suspended, the level that stands (0 none, 1 warn, 2 slow, 3 limit, 4 suspend) and until when;
--                        times in milliseconds. Absent: nothing is held against the subject.
--   <subject>:live   a sorted set, only where what is in flight is limited: hold -> microsecond of its expiry
-- and for one partition:
--   h:<request id>   a hold, or the memory of an answered request; hx: the index of holds by expiry

local clock = redis.call('TIME')
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local match, format, call = string.match, string.format, redis.call
local now_s = tonumber(clock[1])
local now = now_s * 1000000 + tonumber(clock[2])
local now_ms = floor(now / 1000)

local GCRA, SLIDING, CALENDAR, LIVE = 1, 2, 3, 4
-- 5 and 6 are tokens and money of limits that reserve the most that a request may use.
local REQUESTS, TOKENS, MONEY, CONCURRENCY, MOST_TOKENS, MOST_MONEY = 1, 2, 3, 4, 5, 6

-- Places in the rules of penalties, and levels: `penalties.lua`.
local HALF_LIFE, STRIKE, ENFORCED, LONGEST, FORGIVEN, PEN_LIFE, LEVELS = 1, 2, 3, 4, 5, 6, 7
local SLOW, LIMITED, SUSPENDED = 2, 3, 4

local function int(x)
  return format('%.0f', x)
end
