package preserve

import (
	"context"
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/live"
)

// The least room that a slot is made with, beside what max_wal_size takes anyway.
const leastRoom = 1 << 30

// guardSetting bounds what a slot may hold (13 and later).
const guardSetting = "max_slot_wal_keep_size"

// holdWAL makes a slot, so that no checkpoint recycles WAL from now on, and a guard so that it does not fill
// the disk.
func (f *freezer) holdWAL(ctx context.Context) error {
	guard, why, err := f.slotRule(ctx, f.conn)
	if err != nil {
		if lost(ctx, err) {
			return err
		}
		why = live.Message(err)
	}
	if why != "" {
		f.lacks("slot that holds the WAL", why)
		return nil
	}
	if guard > 0 {
		ok, err := f.set(ctx, guardSetting, strconv.FormatInt(guard>>20, 10))
		if err != nil {
			return err
		}
		if !ok {
			f.lacks("slot that holds the WAL", "without "+guardSetting+" it could fill the disk")
			return nil
		}
	}
	return f.slot(ctx)
}

// slotRule says what the guard of the slot has to be, in bytes, and why there can be no slot.
func (w *work) slotRule(ctx context.Context, conn *live.Conn) (guard int64, why string, err error) {
	state, err := w.slotState(ctx, conn)
	if err != nil || state.there {
		return 0, "", err
	}
	guard, why = state.guard(w.Server.Card.VersionNumber, w.serverRoom())
	if guard > 0 && !w.Server.Card.Superuser {
		return 0, "it needs " + guardSetting + " as a guard, and " + w.noSuperuser(), nil
	}
	return guard, why, nil
}

// slot makes the slot, which keeps what the last checkpoint would need.
func (f *freezer) slot(ctx context.Context) error {
	thing := Frozen{Kind: KindSlot, Name: f.Slot, System: f.Server.Card.SystemIdentifier}
	if err := f.memory.remember(thing); err != nil {
		return err
	}
	_, err := f.conn.Value(ctx, "make a slot at", `SELECT count(pg_catalog.pg_create_physical_replication_slot($1, true))
		WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1)`, f.Slot)
	if err != nil {
		if lost(ctx, err) {
			return err
		}
		f.lacks("slot that holds the WAL", live.Message(err))
		return f.memory.write(eventThawed, thing)
	}
	return f.did(thing)
}

// slotState is what decides whether a slot can do harm.
type slotState struct {
	there      bool
	keep       int64 // max_slot_wal_keep_size in MB; -1: no limit, or a version without it
	walSize    int64 // max_wal_size in bytes
	mostBehind int64 // what the other slots hold
}

func (w *work) slotState(ctx context.Context, conn *live.Conn) (s slotState, err error) {
	position := "pg_catalog.pg_current_wal_lsn()"
	if w.Server.Card.InRecovery {
		position = "pg_catalog.pg_last_wal_replay_lsn()"
	}
	err = conn.Query(ctx, "ask for slots at", `SELECT coalesce((SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = '`+guardSetting+`'), -1),
		(SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'max_wal_size'),
		(SELECT count(*) FROM pg_catalog.pg_replication_slots WHERE slot_name = $1),
		coalesce((SELECT max(pg_catalog.pg_wal_lsn_diff(`+position+`, restart_lsn))::bigint FROM pg_catalog.pg_replication_slots WHERE slot_name <> $1), 0)`,
		live.Parameters(w.Slot), func(row [][]byte) error {
			for i, to := range []*int64{&s.keep, &s.walSize, nil, &s.mostBehind} {
				if to != nil {
					*to, _ = strconv.ParseInt(string(row[i]), 10, 64)
				}
			}
			s.walSize <<= 20
			s.there = string(row[2]) != "0"
			return nil
		})
	return s, err
}

// guard says how much WAL the slots may hold, in bytes; 0: a limit is set already, or there is no such setting.
// room is what is free where the WAL lies; -1: nobody knows. why says why there can be no slot.
func (s *slotState) guard(version int, room int64) (guard int64, why string) {
	if room >= 0 && room < leastRoom {
		return 0, fmt.Sprintf("only %d MB are free where the WAL lies: the WAL that it holds could fill the disk", room>>20)
	}
	switch {
	case s.keep >= 0:
		return 0, ""
	case version < 130000 && room < 0:
		return 0, "PostgreSQL 12 has no " + guardSetting + ", and nobody knows how much room is left for the WAL: a slot could fill the disk"
	case version < 130000 && room < 4*s.walSize:
		return 0, fmt.Sprintf("PostgreSQL 12 has no %s, and %d MB of free room are too few for a slot without it", guardSetting, room>>20)
	case version < 130000:
		return 0, ""
	case room < 0:
		return max(2*s.walSize, 2*s.mostBehind), ""
	}
	guard = s.mostBehind + room/2
	if guard < 2*s.mostBehind {
		return 0, fmt.Sprintf("another slot holds %d MB of WAL, and a %s that the disk can bear would end it", s.mostBehind>>20, guardSetting)
	}
	return guard, ""
}
