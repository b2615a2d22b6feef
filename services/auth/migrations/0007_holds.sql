-- Holds: a user or a key that is not accepted for a while. The epoch of a hold is odd while it stands: so it is read with
-- the other epochs of a caller, in the same breath, and the feed carries it to every process. Runs as hauberk_owner.
ALTER TABLE auth.epochs DROP CONSTRAINT epochs_name_check;
ALTER TABLE auth.epochs ADD CONSTRAINT epochs_name_check CHECK (
    name ~ '^(o|u:.{1,128}|b:.{1,63}|s:ses_[0-9A-Za-z]{16,32}|t:.{1,128}|h:u:.{1,128}|h:k:key_[0-9A-Za-z]{16,32})$'
);
