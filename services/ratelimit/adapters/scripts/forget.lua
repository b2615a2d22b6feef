-- Entries of the ledger that are written down are taken out of the stream.
-- KEYS: the stream. ARGV: ids.

redis.call('XACK', KEYS[1], 'ledger', unpack(ARGV))
return redis.call('XDEL', KEYS[1], unpack(ARGV))
