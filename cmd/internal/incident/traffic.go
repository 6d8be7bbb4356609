package main

import (
	"context"
	"fmt"
)

// traffic is the ordinary work of some tenants: small transactions on rows of
// their own, some of which are rolled back.
func (w *world) traffic(ctx context.Context, turns int, tenants ...*tenant) error {
	for range turns {
		t := pick(w, tenants...)
		w.log.say(logRequests, "INFO", "✅ POST http://backend:8000/api/v1/assets/heartbeat | Status: 200 | Time: 0.%03ds", 4+t.network)
		if err := w.db.Exec(ctx, w.turn(t)); err != nil {
			return fmt.Errorf("traffic of %s: %w", t.slug, err)
		}
	}
	return nil
}

// turn is the SQL of one transaction of a tenant.
func (w *world) turn(t *tenant) string {
	at := literal(w.tick(240))
	switch kind := w.dice.IntN(10); {
	case kind < 2:
		return fmt.Sprintf("UPDATE migration.users SET last_login = %s WHERE id = '%s'", at, pick(w, t.users...))
	case kind < 5 && len(t.assets) > 0:
		return fmt.Sprintf("UPDATE migration.assets SET confidence_score = %v, quality_score = %v, updated_at = %s WHERE id = '%s'",
			w.score(), w.score(), at, pick(w, t.assets...).id)
	case kind < 6 && len(t.assets) > 0:
		a := pick(w, t.assets...)
		return fmt.Sprintf("UPDATE migration.assets SET description = %s, technical_details = %s, updated_at = %s WHERE id = '%s'",
			literal(w.sentence(a.name)), literal(map[string]any{"note": w.sentence("review"), "ticket": w.dice.IntN(9000)}), at, a.id)
	case kind < 8 && len(t.flows) > 0:
		return fmt.Sprintf("UPDATE migration.crewai_flow_state_extensions SET flow_metadata = %s, agent_collaboration_log = %s, updated_at = %s WHERE flow_id = '%s'",
			literal(map[string]any{"heartbeat": w.clock}), literal([]string{w.sentence("agent"), w.uuid()}), at, pick(w, t.flows...).id)
	case kind < 9 && len(t.assets) > 0:
		a := pick(w, t.assets...)
		return fmt.Sprintf("BEGIN; SELECT FROM migration.assets WHERE id = '%s' FOR UPDATE; SAVEPOINT review; UPDATE migration.assets SET status = 'reviewed' WHERE id = '%[1]s'; ROLLBACK TO SAVEPOINT review; UPDATE migration.assets SET migration_wave = %d WHERE id = '%[1]s'; COMMIT",
			a.id, 1+w.dice.IntN(5))
	case len(t.flows) > 0:
		return fmt.Sprintf("BEGIN; UPDATE migration.discovery_flows SET status = 'paused' WHERE flow_id = '%s'; ROLLBACK", pick(w, t.flows...).id)
	default:
		return "SELECT 1"
	}
}
