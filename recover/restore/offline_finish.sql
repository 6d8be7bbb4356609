-- What stands there now is what was put in, or a trigger changed it.
DO $pgrescue$
DECLARE
    t record;
    rows bigint;
BEGIN
    FOR t IN SELECT *,
            (SELECT string_agg(format('x.%I = l.%I', k, k), ' AND ') FROM unnest(key) AS k) AS matches,
            (SELECT string_agg(format('l.%I', c), ', ' ORDER BY i) FROM unnest(columns) WITH ORDINALITY AS u(c, i)) AS given,
            (SELECT string_agg(format('x.%I', c), ', ' ORDER BY i) FROM unnest(columns) WITH ORDINALITY AS u(c, i)) AS there
        FROM pg_temp.pgrescue_table WHERE key <> '{}' ORDER BY n
    LOOP
        EXECUTE format('SELECT count(*) FROM pg_temp.%I l JOIN %s x ON %s WHERE row(%s)::text = row(%s)::text',
            t.load, t.standing, t.matches, t.given, t.there) INTO rows;
        IF rows <> t.rows THEN
            RAISE WARNING 'pgrescue: %: % of % rows stand there with other values: a trigger changed them', t.target, t.rows - rows, t.rows;
        END IF;
    END LOOP;
END $pgrescue$;

-- Sequences move forward, and never back.
DO $pgrescue$
DECLARE
    s record;
    furthest bigint;
    last bigint;
    called boolean;
BEGIN
    IF current_setting('pgrescue.rehearsal', true) = 'on' THEN
        RETURN; -- a sequence does not come back with ROLLBACK
    END IF;
    FOR s IN SELECT DISTINCT q.seqrelid::regclass AS name, q.seqincrement, q.seqmin, q.seqmax, a.attname, t.load
        FROM pg_temp.pgrescue_table t
        JOIN pg_attribute a ON a.attrelid = t.target AND a.attname = ANY (t.columns) AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
        JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid
            AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i')
            OR d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
            AND d.objid = (SELECT e.oid FROM pg_attrdef e WHERE e.adrelid = a.attrelid AND e.adnum = a.attnum)
        JOIN pg_sequence q ON q.seqrelid IN (d.objid, d.refobjid)
    LOOP
        EXECUTE format('SELECT %s(%I) FROM pg_temp.%I WHERE %I BETWEEN %s AND %s', CASE WHEN s.seqincrement > 0 THEN 'max' ELSE 'min' END,
            s.attname, s.load, s.attname, s.seqmin, s.seqmax) INTO furthest;
        EXECUTE format('SELECT last_value, is_called FROM %s', s.name) INTO last, called;
        IF s.seqincrement > 0 AND furthest > last OR s.seqincrement < 0 AND furthest < last OR furthest = last AND NOT called THEN
            PERFORM setval(s.name, furthest);
        END IF;
    END LOOP;
END $pgrescue$;
SET CONSTRAINTS ALL IMMEDIATE;
