package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/testdata"
)

//go:embed schema.sql
var schema string

// tell plays the story from the first table to the crash, and gives what is
// known of it, and the backend's log. The doomed rows are written to the folder out.
func tell(ctx context.Context, c *cluster.Cluster, out string, log io.Writer) (truth *testdata.Truth, backend string, err error) {
	if err := c.Exec(ctx, "postgres", "CREATE DATABASE "+database+" STRATEGY file_copy"); err != nil {
		return nil, "", err
	}
	var sessions []*cluster.Session
	crashed := false
	defer func() {
		for _, session := range sessions {
			if !crashed {
				err = errors.Join(err, session.Close(context.WithoutCancel(ctx)))
			}
		}
	}()
	for _, application := range []string{"backend", "cleanup.py"} {
		session, err := c.Session(ctx, database)
		if err != nil {
			return nil, "", err
		}
		sessions = append(sessions, session)
		if err := session.Exec(ctx, "SET application_name = '"+application+"'"); err != nil {
			return nil, "", err
		}
	}
	if err := sessions[0].Exec(ctx, schema); err != nil {
		return nil, "", err
	}
	w, r := newWorld(sessions[0]), newRecorder(c, sessions[1], out)
	chapters := []struct {
		title string
		play  func(context.Context) error
	}{
		{"five tenants import their inventories", w.beforeTheLoss},
		{"the doomed rows are copied out", r.takeOracles},
		{"the cleanup", func(ctx context.Context) error { return theCleanup(ctx, w, r) }},
		{"the others go on", func(ctx context.Context) error { return afterTheLoss(ctx, w, r) }},
		{"facts", r.finish},
	}
	for _, chapter := range chapters {
		fmt.Fprintln(log, chapter.title)
		if err := chapter.play(ctx); err != nil {
			return nil, "", fmt.Errorf("%s: %w", chapter.title, err)
		}
	}
	// The crash comes with the sessions open, as crashes do.
	if err := c.Crash(ctx); err != nil {
		return nil, "", err
	}
	crashed = true
	return r.truth, w.log.text.String(), r.readEnds(ctx)
}

// beforeTheLoss is the tenants' life until the evening of the cleanup. Its end is
// after the last checkpoint, so that some doomed rows are in WAL only.
func (w *world) beforeTheLoss(ctx context.Context) error {
	w.newTenants()
	if err := w.settle(ctx); err != nil {
		return err
	}
	if err := w.sendUploads(ctx, 0, 4); err != nil {
		return err
	}
	if err := w.db.Exec(ctx, "CHECKPOINT"); err != nil {
		return err
	}
	if err := w.traffic(ctx, 200, w.tenants...); err != nil {
		return err
	}
	if err := w.assess(ctx); err != nil {
		return err
	}
	if err := w.db.Exec(ctx, "VACUUM ANALYZE"); err != nil {
		return err
	}
	if err := w.sendUploads(ctx, 4, 7); err != nil {
		return err
	}
	if err := w.traffic(ctx, 60, w.tenants...); err != nil {
		return err
	}
	if err := w.db.Exec(ctx, "CHECKPOINT"); err != nil {
		return err
	}
	if err := w.sendUploads(ctx, 7, 8); err != nil {
		return err
	}
	return w.traffic(ctx, 60, w.tenants...)
}

// sendUploads sends the uploads from one number up to another of each tenant, in turns.
func (w *world) sendUploads(ctx context.Context, from, to int) error {
	for number := from; number < to; number++ {
		for _, t := range w.tenants {
			if number >= len(t.uploads) {
				continue
			}
			if err := w.send(ctx, t, number); err != nil {
				return err
			}
			if err := w.traffic(ctx, 4, w.tenants...); err != nil {
				return err
			}
		}
	}
	return nil
}

// assess starts two assessment flows of demo; they are what the cleanup forgets.
func (w *world) assess(ctx context.Context) error {
	t := w.demo()
	for range 2 {
		at := w.tick(900)
		findings := make([]string, 60)
		for i := range findings {
			findings[i] = w.uuid() + " " + w.sentence(pick(w, t.assets...).name)
		}
		err := w.transaction(ctx, insert("crewai_flow_state_extensions", field{"id", w.uuid()}, field{"flow_id", w.uuid()}, field{"client_account_id", t.client},
			field{"engagement_id", t.engagement}, field{"user_id", "system"}, field{"flow_type", "assessment"}, field{"flow_name", "Assessment of " + t.name},
			field{"flow_status", "completed"}, field{"flow_persistence_data", map[string]any{"findings": findings}}, field{"created_at", at}, field{"updated_at", at}))
		if err != nil {
			return err
		}
	}
	return nil
}

// theCleanup is the evening itself.
func theCleanup(ctx context.Context, w *world, r *recorder) error {
	attempts := append([]attempt{rehearsal()}, firstRun()...)
	for _, a := range append(attempts, retry()) {
		if err := r.try(ctx, a); err != nil {
			return err
		}
		if err := w.traffic(ctx, 6, w.others()...); err != nil {
			return err
		}
	}
	return nil
}

// afterTheLoss is what happened to the evidence until the crash: pages were
// pruned as others read them, autovacuum took one table, a new import settled on
// the space, a checkpoint wrote it all to disk, and one more delete came after.
func afterTheLoss(ctx context.Context, w *world, r *recorder) error {
	if err := w.traffic(ctx, 40, w.others()...); err != nil {
		return err
	}
	r.truth.Vacuumed = []string{"migration.raw_import_records"}
	if err := w.db.Exec(ctx, "VACUUM migration.raw_import_records"); err != nil {
		return err
	}
	late := w.others()[2]
	late.uploads = append(late.uploads, upload{filename: "after-the-loss.csv", category: "cmdb", rows: 30})
	if err := w.send(ctx, late, len(late.uploads)-1); err != nil {
		return err
	}
	if err := w.db.Exec(ctx, "CHECKPOINT"); err != nil {
		return err
	}
	if err := w.traffic(ctx, 30, w.others()...); err != nil {
		return err
	}
	if err := r.try(ctx, leftovers()); err != nil {
		return err
	}
	return w.traffic(ctx, 15, w.others()...)
}
