-- A hold is one value: s state (held, taken, committed, released, expired), w workload, f fingerprint, at, x expiry,
-- pi and po price, t and m tokens and money asked for so far, k keys of subjects, v their sets of what is in flight,
-- r what was added already, e one entry for each limit, flat: see the names below.
local KEY, FIELD, ALGO, UNIT, AMOUNT, ASKED, CAP, PERIOD, KEEP, TTL, OBSERVE, WINDOW, BEFORE, AFTER =
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
local ENTRY = 14
