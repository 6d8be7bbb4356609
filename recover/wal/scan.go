package wal

import (
	"context"
	"runtime"
	"sync"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// ScanOptions say what a scan reads and delivers.
type ScanOptions struct {
	// From and To bound the records by their LSN: [From, To). From 0 means from Archive.Start,
	// To 0 to the end of the log.
	From, To pg.LSN
	// Workers is the number of goroutines; 0 means runtime.GOMAXPROCS(0).
	Workers int
	// Rmgrs are the resource managers whose records are decoded and delivered. The
	// others are walked over: their CRC is checked, and they count in Span.Records.
	Rmgrs RmgrSet
	// SkipCRC leaves out the check of the records' CRC: an earlier scan made it.
	SkipCRC bool
	// TrustOthers leaves it out for records of resource managers that are not
	// delivered; their place in the chain of records is checked all the same.
	TrustOthers bool
	// Progress is told now and then, from any goroutine, how many bytes were done since
	// the last call.
	Progress func(bytes int64)
}

// Span is a stretch of the log that one worker scanned. A record belongs to the
// span in which it begins.
type Span struct {
	From, To pg.LSN
	// Gaps are those that end in this span; one can begin in an earlier span. What
	// Archive.Gaps names is not repeated.
	Gaps    []Gap
	Records int64 // sound records in [From, To), delivered or not
	Bytes   int64 // To - From
	// First and Last are the LSNs of the first and the last sound record, and End is where the
	// last one ends; 0 if there is none.
	First, Last, End pg.LSN
}

// spanSize is how much of the log one worker takes at a time, in bytes.
const spanSize = 4 << 20

// wholeSpanSize is the same for compressed segments.
const wholeSpanSize = 16 << 20

// Scan reads the log's records. It cuts the log into spans of a few MiB and scans
// them in parallel. visit is called for each record of a span in LSN order, on one
// goroutine, with the span's accumulator; merge is called for each span in LSN
// order, on one goroutine at a time. At most two accumulators per worker exist;
// each is used again after merge returned, so merge empties it. At the end merge
// may be called once more with a span of no records that carries the last gap.
//
// The first error of visit or merge ends the scan and is returned as it is; so is
// ctx.Err(). Damage is no error: see Span.Gaps.
func Scan[T any](
	ctx context.Context, a *Archive, opts ScanOptions, newAcc func() *T,
	visit func(acc *T, rec *Record) error, merge func(acc *T, span *Span) error,
) error {
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	spans := a.cut(opts)
	ctx, cancel := context.WithCancel(ctx)

	slots := make([]slot[T], min(2*opts.Workers, max(len(spans), 1)))
	for i := range slots {
		slots[i].done = make(chan error, 1)
	}
	jobs := make(chan int, len(slots))
	var workers sync.WaitGroup
	defer workers.Wait()
	defer close(jobs)
	defer cancel()
	for range min(opts.Workers, len(spans)) {
		workers.Go(func() {
			s := newScanner(ctx, a, &opts)
			for i := range jobs {
				slot := &slots[i%len(slots)]
				if slot.acc == nil {
					slot.acc = newAcc()
				}
				acc := slot.acc
				slot.done <- s.scan(spans[i], &slot.result, func(rec *Record) error { return visit(acc, rec) })
			}
		})
	}

	next := 0
	chain := newChain(a, &opts)
	for i := range spans {
		for ; next < len(spans) && next < i+len(slots); next++ {
			jobs <- next
		}
		slot := &slots[i%len(slots)]
		if err := <-slot.done; err != nil {
			return err
		}
		chain.add(&slot.result)
		if err := merge(slot.acc, &slot.result.Span); err != nil {
			return err
		}
	}
	if span, ok := chain.finish(); ok {
		return merge(newAcc(), span)
	}
	return nil
}

// slot holds one span in flight.
type slot[T any] struct {
	acc    *T
	result spanResult
	done   chan error
}

// stretch is the place of a span.
type stretch struct {
	from, to pg.LSN // from is where a page begins
	// joined: the span before ends where this one begins, so a record may cross.
	joined bool
	// sealed is the segment if the span ends where the segment does, and only that
	// tells whether it is whole; nil otherwise.
	sealed *segmentFile
}

// cut divides the log into spans. A span lies within one segment and begins
// where a page does. A compressed segment that is held in memory is one span, so
// that each worker decompresses its own.
func (a *Archive) cut(opts ScanOptions) []stretch {
	var list []stretch
	to := opts.To
	if to == 0 {
		to = ^pg.LSN(0)
	}
	from := a.ScanStart(opts) &^ (pg.BlockSize - 1)
	previous := pg.LSN(0)
	for _, f := range a.log {
		size := pg.LSN(spanSize)
		if f.Compression != "" {
			size = wholeSpanSize
		}
		for at := max(from, f.Start); at < min(to, f.end()); {
			end := min(to, f.end(), (at+size)&^(size-1))
			list = append(list, stretch{from: at, to: end, joined: previous == at})
			at, previous = end, end
		}
		if f.sealed && previous == f.end() {
			list[len(list)-1].sealed = f
		}
	}
	return list
}
