package drill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
)

// scene is the shop while something happens to it.
type scene struct {
	cluster  *cluster.Cluster
	old      *cluster.Cluster // the one that was there before, if another took its place
	options  cluster.Options
	traffic  *traffic
	truth    []*hurt
	culprits []string // transactions that lost something
}

// before and behind the loss every worker has done so many turns.
const turnsAround = 24

// stage makes the shop, lets traffic in, and makes the incident happen.
func stage(ctx context.Context, in *Incident, o cluster.Options) (*scene, error) {
	s := &scene{options: o, traffic: newTraffic(in.newcomers)}
	if err := s.play(ctx, in); err != nil {
		return nil, errors.Join(fmt.Errorf("drill: make the incident %s: %w", in.Name, err), s.remove())
	}
	return s, nil
}

func (s *scene) play(ctx context.Context, in *Incident) (err error) {
	if s.cluster, err = cluster.Start(ctx, s.options); err != nil {
		return err
	}
	if err = s.cluster.Exec(ctx, "postgres", "CREATE DATABASE "+database); err != nil {
		return err
	}
	if err = s.exec(ctx, opening()...); err != nil {
		return err
	}
	if err = s.traffic.some(ctx, s.cluster, turnsAround); err != nil {
		return err
	}
	if err = s.traffic.resume(ctx, s.cluster); err != nil {
		return err
	}
	if err = in.happen(ctx, s); err != nil || s.old != nil { // another cluster has no tables for the traffic
		return err
	}
	return s.traffic.some(ctx, s.cluster, turnsAround)
}

// shopOptions are how the cluster of a drill is made: autovacuum is on, and comes by only
// when somebody calls it, so that two drills of one incident are alike.
func shopOptions(in *Incident, o *Options) cluster.Options {
	settings := map[string]string{"autovacuum_naptime": "1h", "checkpoint_timeout": "1h", "wal_keep_size": "512MB", "max_wal_size": "512MB"}
	maps.Copy(settings, in.settings)
	return cluster.Options{Version: o.Version, Parent: o.Parent, Settings: settings}
}

// remove ends the traffic and takes the clusters away.
func (s *scene) remove() error {
	s.traffic.pause()
	var all []error
	for _, c := range []*cluster.Cluster{s.cluster, s.old} {
		if c != nil {
			all = append(all, c.Remove())
		}
	}
	return errors.Join(all...)
}

func (s *scene) exec(ctx context.Context, sql ...string) error {
	return s.cluster.Exec(ctx, database, sql...)
}

// within runs f in a session of its own.
func (s *scene) within(ctx context.Context, f func(*cluster.Session) error) error {
	session, err := s.cluster.Session(ctx, database)
	if err != nil {
		return err
	}
	return errors.Join(f(session), session.Close(context.WithoutCancel(ctx)))
}

// crash loses what unlogged tables hold: they are in no WAL.
func crash(ctx context.Context, s *scene) error {
	if err := s.remember(ctx, carts()); err != nil {
		return err
	}
	s.traffic.pause()
	if err := s.cluster.Crash(ctx); err != nil {
		return err
	}
	if err := s.cluster.Start(ctx); err != nil {
		return err
	}
	return s.traffic.resume(ctx, s.cluster)
}

// beginAnew puts a new cluster where people look for the old one, which is stopped and lies
// where it lay.
func beginAnew(ctx context.Context, s *scene) error {
	s.traffic.pause()
	if err := s.cluster.Stop(ctx, cluster.Fast); err != nil {
		return err
	}
	fresh, err := cluster.Start(ctx, s.options)
	if err != nil {
		return err
	}
	s.old, s.cluster = s.cluster, fresh
	return s.cluster.Exec(ctx, "postgres", "CREATE DATABASE "+database)
}

// restoreOld puts an older base backup in the place of the data directory, and removes that.
func restoreOld(ctx context.Context, s *scene) error {
	backup := filepath.Join(s.cluster.Dir(), "monday")
	err := s.cluster.BaseBackup(ctx, backup)
	if err == nil {
		err = s.exec(ctx, "INSERT INTO sales.invoices (customer, amount, note) SELECT i % 300, i, 'after the backup' FROM generate_series(1, 700) i")
	}
	s.traffic.pause()
	if err == nil {
		err = s.remember(ctx, invoices())
	}
	if err == nil {
		err = s.cluster.Stop(ctx, cluster.Fast)
	}
	if err == nil {
		err = s.cluster.Replace(backup)
	}
	if err == nil {
		err = s.cluster.Start(ctx)
	}
	if err != nil {
		return err
	}
	err = s.within(ctx, func(session *cluster.Session) error { // what the backup has is not lost
		after, err := copyTable(ctx, session, &s.truth[0].table)
		h := s.truth[0]
		h.lost, h.kept = h.lost.without(after), after
		return err
	})
	if err != nil {
		return err
	}
	return s.traffic.resume(ctx, s.cluster)
}
