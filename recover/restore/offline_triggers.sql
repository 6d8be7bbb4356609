-- No trigger fires, where the role may say so and nothing depends on one.
DO $pgrescue$
DECLARE
    names text;
    distributed boolean := false;
BEGIN
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
        EXECUTE 'SELECT EXISTS (SELECT FROM pg_catalog.pg_dist_partition d JOIN pg_temp.pgrescue_table t ON d.logicalrelid = t.target)' INTO distributed;
    END IF;
    IF distributed THEN
        RAISE WARNING 'pgrescue: Citus distributes some of the tables, and its workers know nothing of this session: triggers fire there';
    ELSIF EXISTS (SELECT FROM pg_index i JOIN pg_temp.pgrescue_table t ON i.indrelid IN (SELECT relid FROM pg_partition_tree(t.target) UNION SELECT t.target)
        WHERE NOT i.indimmediate) THEN
        RAISE WARNING 'pgrescue: a trigger of the server checks a deferrable constraint, so triggers fire';
    ELSE
        BEGIN
            PERFORM set_config('session_replication_role', 'replica', true);
            RETURN;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL; -- said below
        END;
    END IF;
    SELECT string_agg(format('%s on %s', quote_ident(g.tgname), g.tgrelid::regclass), ', ') INTO names
    FROM pg_trigger g JOIN pg_temp.pgrescue_table t ON g.tgrelid IN (SELECT relid FROM pg_partition_tree(t.target) UNION SELECT t.target)
    WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype & 4 <> 0;
    IF names IS NOT NULL THEN
        RAISE WARNING 'pgrescue: these triggers fire, because the role may not set session_replication_role: %', names;
    END IF;
END $pgrescue$;
