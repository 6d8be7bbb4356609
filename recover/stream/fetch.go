package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// Result is what a fetch has done, also one that failed in the middle.
type Result struct {
	// From and To are the stretch of the log that the folder holds now, gaps aside.
	From pg.LSN `json:"from"`
	To   pg.LSN `json:"to"`
	// Segments were made whole; Partial is the name of the one that is not, or "".
	Segments int64          `json:"segments"`
	Partial  string         `json:"partial,omitempty"`
	Bytes    int64          `json:"bytes"` // received
	Gaps     []evidence.Gap `json:"gaps"`
}

// fetcher is one run of Fetch.
type fetcher struct {
	server  *Server
	plan    *Plan
	options Options
	slot    *slot
	noSlot  bool
	result  *Result
	at      pg.LSN // everything before it was received, or is a gap
}

// Fetch carries out a plan. The Result says what was done also when there is an
// error; everything under its own name in the folder is whole and on disk then too.
func (s *Server) Fetch(ctx context.Context, plan *Plan, options Options) (*Result, error) {
	f := &fetcher{
		server: s, plan: plan, options: options, noSlot: options.NoSlot, at: plan.From,
		result: &Result{From: plan.From, To: plan.From, Gaps: plan.Gaps},
	}
	if err := plan.folder.create(); err != nil {
		return f.result, err
	}
	for _, history := range plan.histories {
		if err := plan.folder.addHistory(history); err != nil {
			return f.result, err
		}
	}
	for _, l := range plan.legs {
		if err := f.seam(ctx, l); err != nil {
			return f.result, err
		}
	}
	for _, l := range plan.legs {
		if err := f.leg(ctx, l); err != nil {
			return f.result, err
		}
	}
	f.reach(min(plan.Until, s.identity.LSN))
	if !f.options.Follow && f.at >= plan.Until {
		return f.result, nil
	}
	if err := f.dropSlot(ctx); err != nil {
		return f.result, err
	}
	return f.result, f.goOn(ctx)
}

// reach notes how far the folder's WAL goes.
func (f *fetcher) reach(at pg.LSN) {
	f.at = max(f.at, at)
	f.result.To = max(f.result.To, at)
}

// goOn waits for what the server has not written yet.
func (f *fetcher) goOn(ctx context.Context) error {
	size := pg.LSN(f.server.segmentSize)
	var before stretch
	for f.options.Follow || f.at < f.plan.Until {
		if err := f.server.identify(ctx); err != nil {
			return err
		}
		p, histories, err := f.server.readPath(ctx)
		if err != nil {
			return err
		}
		f.plan.path = p
		for _, history := range histories {
			if err := f.plan.folder.addHistory(history); err != nil {
				return err
			}
		}
		part := p.at(f.at)
		if (stretch{part.timeline, f.at, part.end}) == before {
			return f.server.failure("follow", live.ErrLost, errors.New("the server ends the stream and gives nothing"), "")
		}
		before = stretch{part.timeline, f.at, part.end}
		l := leg{timeline: part.timeline, from: f.at / size * size, to: part.end}
		if !f.options.Follow && (l.to == 0 || l.to > f.plan.Until) {
			l.to = f.plan.Until
		}
		if err := f.leg(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// leg fetches one leg, around what the server has removed meanwhile.
func (f *fetcher) leg(ctx context.Context, l leg) error {
	for {
		if err := f.takeSlot(ctx); err != nil {
			return err
		}
		reached, err := f.stream(ctx, l)
		f.reach(reached)
		if !errors.Is(err, errRemoved) {
			return err
		}
		f.slot = nil // a refused command ends a temporary slot; a kept one is taken again
		size := pg.LSN(f.server.segmentSize)
		first := uint64(reached / size)
		if err := f.server.identify(ctx); err != nil {
			return err
		}
		oldest, searchErr := f.server.oldest(ctx, f.plan.path, first, uint64((f.server.identity.LSN-1)/size))
		if searchErr != nil {
			return searchErr
		}
		if oldest == first {
			return f.server.failure("fetch WAL from", ErrNoWAL, err, "the server has the segment and does not give it; its log says more")
		}
		gap := f.server.missing(f.plan.path, first, oldest, "removed by the server meanwhile")
		f.result.Gaps = append(f.result.Gaps, gap)
		if f.options.Gap != nil {
			f.options.Gap(gap)
		}
		f.at = max(f.at, f.server.lsn(oldest))
		if l.from = f.server.lsn(oldest); l.to != 0 && l.from >= l.to {
			return nil
		}
	}
}

// seam checks that a leg goes on where the whole segment before it ends: the server
// may have been set back since that was fetched, under the same identifier. A
// segment that the server has removed since cannot be checked.
func (f *fetcher) seam(ctx context.Context, l leg) error {
	size := pg.LSN(f.server.segmentSize)
	before := segmentKey{l.timeline, uint64(l.from/size) - 1}
	if l.from < size || !f.plan.folder.whole[before] {
		return nil
	}
	name := wal.SegmentName(before.timeline, before.number, f.server.segmentSize)
	file, err := os.Open(filepath.Join(f.plan.folder.path, name))
	if err != nil {
		return f.plan.folder.failure("continue behind", name, ErrDisk, err, "")
	}
	defer file.Close() // it was only read
	var old []byte
	compare := func(at pg.LSN, data []byte) error {
		data = data[:min(pg.LSN(len(data)), l.from-at)]
		if cap(old) < len(data) {
			old = make([]byte, len(data))
		}
		offset := at - (l.from - size)
		if _, err := file.ReadAt(old[:len(data)], int64(offset)); err != nil {
			return f.plan.folder.failure("continue behind", name, ErrDisk, err, "")
		}
		if !bytes.Equal(old[:len(data)], data) {
			return f.plan.folder.failure("continue behind", name, ErrOtherSystem, fmt.Errorf("the server has other WAL behind offset %d", offset), setBack)
		}
		return nil
	}
	err = f.server.stream(ctx, nil, leg{l.timeline, l.from - size, l.from}, compare, func() pg.LSN { return 0 })
	if errors.Is(err, errRemoved) {
		return nil
	}
	return err
}

// stream fetches a leg in one go, and says how far it came.
func (f *fetcher) stream(ctx context.Context, l leg) (reached pg.LSN, err error) {
	w := newWriter(f.plan.folder, l.timeline, l.from)
	reached = l.from
	put := func(at pg.LSN, data []byte) error {
		if l.to != 0 && at+pg.LSN(len(data)) > l.to {
			data = data[:l.to-at] // what follows is in another leg, or was not asked for
		}
		if err := w.put(at, data); err != nil {
			return err
		}
		reached = at + pg.LSN(len(data))
		f.result.Bytes += int64(len(data))
		if f.options.Progress != nil {
			f.options.Progress(int64(len(data)))
		}
		return nil
	}
	err = f.server.stream(ctx, f.slot, l, put, func() pg.LSN { return w.durable })
	partial := ""
	if w.file != nil {
		partial = w.name() + partialSuffix
	}
	err = errors.Join(err, w.end(reached))
	f.result.Partial = partial
	f.result.Segments += int64(w.segments)
	return reached, err
}
