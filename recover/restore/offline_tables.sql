-- The tables must be as they were: there, with these columns of these types.
DO $pgrescue$
DECLARE
    t record;
    a record;
    found oid;
    kind "char";
    problems text[] := '{}';
    path text := current_setting('search_path');
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'pgrescue: this server is a standby, and takes no writes';
    END IF;
    PERFORM set_config('search_path', 'public', true); -- as the names of types are written
    FOR t IN SELECT * FROM pg_temp.pgrescue_table ORDER BY n LOOP
        SELECT c.oid, c.relkind INTO found, kind FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
        WHERE s.nspname = t.schema AND c.relname = t.name;
        IF found IS NULL OR kind NOT IN ('r', 'p') THEN
            problems := problems || format('there is no table %I.%I', t.schema, t.name);
            CONTINUE;
        END IF;
        UPDATE pg_temp.pgrescue_table SET target = found::regclass, standing = CASE WHEN kind = 'r' AND EXISTS (
            SELECT FROM pg_inherits WHERE inhparent = found) THEN 'ONLY ' ELSE '' END || format('%I.%I', t.schema, t.name) WHERE n = t.n;
        FOR a IN SELECT w.name, w.type, p.attname, p.atttypid, p.attgenerated, format_type(p.atttypid, p.atttypmod) AS now
            FROM unnest(t.columns, t.types) AS w(name, type)
            LEFT JOIN pg_attribute p ON p.attrelid = found AND p.attnum > 0 AND NOT p.attisdropped AND p.attname = w.name
        LOOP
            IF a.attname IS NULL THEN
                problems := problems || format('%I.%I has no column %I any more', t.schema, t.name, a.name);
            ELSIF a.attgenerated <> '' THEN
                problems := problems || format('column %I of %I.%I is generated now', a.name, t.schema, t.name);
            ELSIF a.type <> '' AND to_regtype(a.type) IS DISTINCT FROM a.atttypid::regtype THEN
                problems := problems || format('column %I of %I.%I is of type %s now, and was %s', a.name, t.schema, t.name, a.now, a.type);
            END IF;
        END LOOP;
        FOR a IN SELECT p.attname, p.attnotnull AND NOT p.atthasdef AND p.attidentity = '' AS needed FROM pg_attribute p
            WHERE p.attrelid = found AND p.attnum > 0 AND NOT p.attisdropped AND p.attgenerated = '' AND p.attname <> ALL (t.columns)
        LOOP
            IF a.needed THEN
                problems := problems || format('%I.%I has a column %I that may not be NULL, and the rows do not have it', t.schema, t.name, a.attname);
            ELSE
                RAISE WARNING 'pgrescue: %.% has a column % that the rows do not have; it gets its default',
                    quote_ident(t.schema), quote_ident(t.name), quote_ident(a.attname);
            END IF;
        END LOOP;
    END LOOP;
    PERFORM set_config('search_path', path, true);
    IF problems <> '{}' THEN
        RAISE EXCEPTION E'pgrescue: nothing was changed:\n  %', array_to_string(problems, E'\n  ');
    END IF;
END $pgrescue$;
