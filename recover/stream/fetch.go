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
	Bytes    int64          `json:"bytes"` // received; what came again after a break counts once
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
	at      pg.LSN                   // everything before it was received, or is a gap
	counted map[pg.TimelineID]pg.LSN // up to where the bytes of each timeline's files count
}

// Fetch carries out a plan. The Result says what was done also when there is an
// error; everything under its own name in the folder is whole and on disk then too.
func (s *Server) Fetch(ctx context.Context, plan *Plan, options Options) (*Result, error) {
	f := &fetcher{
		server: s, plan: plan, options: options, noSlot: options.NoSlot, at: plan.From,
		result: &Result{From: plan.From, To: plan.From, Gaps: plan.Gaps}, counted: map[pg.TimelineID]pg.LSN{},
	}
	if err := plan.folder.create(); err != nil {
		return f.result, err
	}
	release, err := plan.folder.lock()
	if err != nil {
		return f.result, err
	}
	defer release()
	err = f.planned(ctx)
	if err == nil && (options.Follow || f.at < plan.Until) {
		if err = f.dropSlot(ctx); err == nil {
			err = f.goOn(ctx)
		}
	}
	if options.Follow {
		err = f.stay(ctx, err)
	}
	return f.result, err
}

// planned fetches what the server had when the plan was made.
func (f *fetcher) planned(ctx context.Context) error {
	for _, history := range f.plan.histories {
		if err := f.plan.folder.addHistory(history); err != nil {
			return err
		}
	}
	for _, l := range f.plan.legs {
		if err := f.seam(ctx, l); err != nil {
			return err
		}
	}
	for _, l := range f.plan.legs {
		if err := f.leg(ctx, l); err != nil {
			return err
		}
	}
	f.reach(min(f.plan.Until, f.server.identity.LSN))
	return nil
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
	err = f.server.stream(ctx, nil, leg{l.timeline, l.from - size, l.from}, compare, nil)
	if errors.Is(err, errRemoved) {
		return nil
	}
	return err
}

// count counts bytes that were received. A segment that is not whole comes from its
// beginning again when a later leg continues it; that is not more WAL.
func (f *fetcher) count(timeline pg.TimelineID, from, to pg.LSN) {
	from = max(from, f.counted[timeline])
	if from >= to {
		return
	}
	f.counted[timeline] = to
	f.result.Bytes += int64(to - from)
	if f.options.Progress != nil {
		f.options.Progress(int64(to - from))
	}
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
		f.count(l.timeline, at, reached)
		return nil
	}
	err = f.server.stream(ctx, f.slot, l, put, w.flush)
	partial := ""
	if w.file != nil {
		partial = w.name() + partialSuffix
	}
	err = errors.Join(err, w.end(reached))
	f.result.Partial = partial
	f.result.Segments += int64(w.segments)
	return reached, err
}
