-- All rows came through; none of their keys is taken, and none of those without a key is
-- there already; what they refer to is there.
DO $pgrescue$
DECLARE
    t record;
    f record;
    rows bigint;
    sample text;
    equal text;
    allowed boolean := coalesce(nullif(current_setting('pgrescue.allow_equal', true), ''), 'off');
    problems text[] := '{}';
BEGIN
    FOR t IN SELECT * FROM pg_temp.pgrescue_table ORDER BY n LOOP
        EXECUTE format('SELECT count(*) FROM pg_temp.%I', t.load) INTO rows;
        IF rows <> t.rows THEN
            problems := problems || format('%s: the file has %s rows, %s were loaded', t.target, t.rows, rows);
        END IF;
        IF t.key <> '{}' THEN
            EXECUTE format('SELECT count(*), min(row(%s)::text) FROM pg_temp.%I l JOIN %s x ON %s',
                (SELECT string_agg(format('l.%I', k), ', ' ORDER BY i) FROM unnest(t.key) WITH ORDINALITY AS u(k, i)), t.load, t.standing,
                (SELECT string_agg(format('x.%I = l.%I', k, k), ' AND ') FROM unnest(t.key) AS k)) INTO rows, sample;
            IF rows > 0 THEN
                problems := problems || format('%s: %s of the keys are taken, such as %s', t.target, rows, sample);
            END IF;
        ELSE
            -- Rows are compared as text, because some types have no equality. One that was
            -- lost twice and is there once counts once.
            EXECUTE format('SELECT sum(least(e.given, e.there)), left(min(e.line), 200) FROM (
                    SELECT l.line, l.given, count(*) AS there
                    FROM (SELECT row(%s)::text COLLATE "C" AS line, count(*) AS given FROM pg_temp.%I l GROUP BY 1) l
                    JOIN %s x ON row(%s)::text COLLATE "C" = l.line GROUP BY l.line, l.given) e',
                (SELECT string_agg(format('l.%I', c), ', ' ORDER BY i) FROM unnest(t.columns) WITH ORDINALITY AS u(c, i)), t.load, t.standing,
                (SELECT string_agg(format('x.%I', c), ', ' ORDER BY i) FROM unnest(t.columns) WITH ORDINALITY AS u(c, i))) INTO rows, sample;
            IF rows > 0 THEN
                equal := format('%s has no key, and %s of its %s rows are there already, such as %s', t.target, rows, t.rows, sample);
                IF allowed THEN
                    RAISE WARNING 'pgrescue: %; all % go in all the same', equal, t.rows;
                ELSE
                    problems := problems || format('%s: they seem to be back. Compare; if these are other rows that are equal, psql -v allow_equal=1 puts all %s in all the same', equal, t.rows);
                END IF;
            END IF;
        END IF;
    END LOOP;
    FOR f IN SELECT c.conname, c.conrelid::regclass AS child, c.confrelid::regclass AS parent, l.load, p.load AS also,
            CASE WHEN r.relkind = 'r' AND r.relhassubclass THEN 'ONLY ' ELSE '' END || c.confrelid::regclass AS standing,
            string_agg(format('l.%I', ca.attname), ', ' ORDER BY k.n) AS names,
            string_agg(format('l.%I IS NOT NULL', ca.attname), CASE c.confmatchtype WHEN 'f' THEN ' OR ' ELSE ' AND ' END) AS refers,
            string_agg(format('p.%I OPERATOR(%I.%s) l.%I', pa.attname, s.nspname, o.oprname, ca.attname), ' AND ') AS matches
        FROM pg_constraint c
        JOIN pg_temp.pgrescue_table l ON l.target = c.conrelid
        LEFT JOIN pg_temp.pgrescue_table p ON p.target = c.confrelid
        JOIN pg_class r ON r.oid = c.confrelid
        CROSS JOIN LATERAL unnest(c.conkey, c.confkey, c.conpfeqop) WITH ORDINALITY AS k(child, parent, equal, n)
        JOIN pg_attribute ca ON ca.attrelid = c.conrelid AND ca.attnum = k.child
        JOIN pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = k.parent
        JOIN pg_operator o ON o.oid = k.equal
        JOIN pg_namespace s ON s.oid = o.oprnamespace
        WHERE c.contype = 'f' AND c.conparentid = 0
        GROUP BY c.oid, c.conname, c.conrelid, c.confrelid, c.confmatchtype, r.relkind, r.relhassubclass, l.load, l.columns, p.load
        HAVING bool_and(ca.attname = ANY (l.columns))
    LOOP
        IF current_setting('session_replication_role') = 'replica' THEN
            -- The server's own check would lock what is referred to.
            EXECUTE format('SELECT count(*) FROM (SELECT FROM %s p WHERE EXISTS (SELECT FROM pg_temp.%I l WHERE %s) FOR KEY SHARE) x', f.standing, f.load, f.matches) INTO rows;
        END IF;
        -- Joins alone, which a distributed table takes too: a row refers to one row at most.
        EXECUTE format('SELECT (SELECT count(*) FROM pg_temp.%I l WHERE %s) - (SELECT count(*) FROM pg_temp.%I l JOIN %s p ON %s)%s',
            f.load, f.refers, f.load, f.standing, f.matches,
            CASE WHEN f.also IS NULL THEN '' ELSE format(' - (SELECT count(*) FROM pg_temp.%I l JOIN pg_temp.%I p ON %s)', f.load, f.also, f.matches) END) INTO rows;
        IF rows > 0 THEN
            EXECUTE format('SELECT min(row(%s)::text) FROM pg_temp.%I l WHERE (%s) AND NOT EXISTS (SELECT FROM %s p WHERE %s)%s',
                f.names, f.load, f.refers, f.standing, f.matches,
                CASE WHEN f.also IS NULL THEN '' ELSE format(' AND NOT EXISTS (SELECT FROM pg_temp.%I p WHERE %s)', f.also, f.matches) END) INTO sample;
            problems := problems || format('%s: %s rows refer to rows of %s that are not there, such as %s (%s)', f.child, rows, f.parent, sample, f.conname);
        END IF;
    END LOOP;
    IF problems <> '{}' THEN
        RAISE EXCEPTION E'pgrescue: nothing was changed:\n  %', array_to_string(problems, E'\n  ');
    END IF;
END $pgrescue$;
