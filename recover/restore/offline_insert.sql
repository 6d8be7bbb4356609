-- The rows go in: what is referred to first, and tables that refer to each other in a
-- circle with one statement, at whose end the server checks their foreign keys.
DO $pgrescue$
DECLARE
    ready int[];
    circle text;
    put bigint;
    t record;
BEGIN
    LOOP
        SELECT array_agg(l.n ORDER BY l.n) INTO ready FROM pg_temp.pgrescue_table l WHERE l.done IS NULL AND NOT EXISTS (
            SELECT FROM pg_constraint c JOIN pg_temp.pgrescue_table p ON p.target = c.confrelid
            WHERE c.contype = 'f' AND c.conrelid = l.target AND c.confrelid <> l.target AND p.done IS NULL);
        EXIT WHEN ready IS NULL;
        FOR t IN SELECT * FROM pg_temp.pgrescue_table WHERE n = ANY (ready) ORDER BY n LOOP
            EXECUTE t.insertion;
            GET DIAGNOSTICS put = ROW_COUNT;
            UPDATE pg_temp.pgrescue_table SET done = put WHERE n = t.n;
        END LOOP;
    END LOOP;
    SELECT format('WITH %s UPDATE pg_temp.pgrescue_table SET done = d.rows FROM (%s) AS d(n, rows) WHERE pgrescue_table.n = d.n',
        string_agg(format('put_%s AS (%s RETURNING 1)', n, insertion), ', ' ORDER BY n),
        string_agg(format('SELECT %s, (SELECT count(*) FROM put_%s)', n, n), ' UNION ALL ' ORDER BY n))
        INTO circle FROM pg_temp.pgrescue_table WHERE done IS NULL HAVING count(*) > 0;
    IF circle IS NOT NULL THEN
        EXECUTE circle;
    END IF;
END $pgrescue$;
SELECT target AS "table", done AS rows FROM pg_temp.pgrescue_table ORDER BY n;
