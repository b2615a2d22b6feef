-- A month goes while others read and seal. Nobody writes to one that is over, so it is locked against writers alone while
-- it is looked at; the drop then takes the whole table first and the month second, as every reader does: in the other
-- order the two wait for each other. Who would wait long gives up instead, because all others wait behind it.
CREATE OR REPLACE FUNCTION audit.drop_month(month text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
BEGIN
    IF month !~ '^[0-9]{6}$' OR audit.month_begin(month, 2) > clock_timestamp() THEN
        RAISE EXCEPTION 'no month that is over';
    END IF;
    EXECUTE format('LOCK TABLE audit.%I IN SHARE ROW EXCLUSIVE MODE', 'events_' || month);
    IF EXISTS (SELECT FROM audit.month_chains(month) AS m WHERE m.held OR m.last > m.cut) THEN
        RAISE EXCEPTION 'not archived, or held';
    END IF;
    EXECUTE format('DROP TABLE audit.%I', 'events_' || month);
END
$$;
-- It asks by these two, which belong to the role that looks things up since they are exempt, and are not the owner's to
-- call: a month never went as a whole.
SET LOCAL ROLE hauberk_lookup;
GRANT EXECUTE ON FUNCTION audit.month_begin(text, integer), audit.month_chains(text) TO hauberk_owner;
SET LOCAL ROLE hauberk_owner;
