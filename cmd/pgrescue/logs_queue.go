package main

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// eventQueue puts events in the order of time. Those that memory does not hold wait in a file that nobody else can
// open; it is gone with the process.
type eventQueue struct {
	writer eventWriter
	index  []queued
	file   *os.File
	runs   []queuedRun
	size   int64 // of the file
	most   int   // bytes that memory holds
}

// queued is an event that memory holds.
type queued struct {
	at, rank int64
	from, to int
}

// queuedRun is a part of the file whose events are in order.
type queuedRun struct{ from, length int64 }

const maxQueued = 8 << 20

func newEventQueue() *eventQueue { return &eventQueue{most: maxQueued} }

// add takes an event.
func (q *eventQueue) add(e *shownEvent) error {
	from := len(q.writer.to)
	e.parts(&q.writer)
	q.index = append(q.index, queued{e.at, e.rank, from, len(q.writer.to)})
	if len(q.writer.to) < q.most {
		return nil
	}
	return q.spill()
}

func (q *eventQueue) sort() {
	slices.SortStableFunc(q.index, func(a, b queued) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank)) })
}

// spill writes what memory holds to the file, in order.
func (q *eventQueue) spill() error {
	if q.file == nil {
		file, err := os.CreateTemp("", "pgrescue-timeline-*")
		if err != nil {
			return fmt.Errorf("logs timeline: a file for what memory does not hold: %w", err)
		}
		q.file = file
		_ = os.Remove(file.Name()) // where the system lets us: it lives as long as it is open
	}
	q.sort()
	out := bufio.NewWriterSize(q.file, 1<<20)
	run := queuedRun{from: q.size}
	var head [binary.MaxVarintLen64]byte
	for _, one := range q.index {
		n := binary.PutUvarint(head[:], uint64(one.to-one.from))
		run.length += int64(n + one.to - one.from)
		_, err := out.Write(head[:n])
		if err == nil {
			_, err = out.Write(q.writer.to[one.from:one.to])
		}
		if err != nil {
			return fmt.Errorf("logs timeline: write what memory does not hold: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("logs timeline: write what memory does not hold: %w", err)
	}
	q.size += run.length
	q.runs = append(q.runs, run)
	q.index, q.writer.to = q.index[:0], q.writer.to[:0]
	return nil
}

// each gives the events in order.
func (q *eventQueue) each(take func(*shownEvent) error) error {
	q.sort()
	var e shownEvent
	if len(q.runs) == 0 {
		for _, one := range q.index {
			if err := readEvent(&e, q.writer.to[one.from:one.to]); err != nil {
				return err
			}
			if err := take(&e); err != nil {
				return err
			}
		}
		return nil
	}
	if len(q.index) > 0 {
		if err := q.spill(); err != nil {
			return err
		}
	}
	return q.merge(take)
}

var errQueue = errors.New("logs timeline: what was written beside memory is not what was read back")

func readEvent(e *shownEvent, from []byte) error {
	*e = shownEvent{}
	r := eventReader{from: from}
	if e.parts(&r); r.bad || len(r.from) > 0 {
		return errQueue
	}
	return nil
}

// runReader reads one part of the file.
type runReader struct {
	in   *bufio.Reader
	room []byte
	next shownEvent
	run  int
}

// step reads the next event; false: there is none.
func (r *runReader) step() (bool, error) {
	length, err := binary.ReadUvarint(r.in)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", errQueue, err)
	}
	if length > uint64(cap(r.room)) {
		r.room = make([]byte, length)
	}
	if _, err := io.ReadFull(r.in, r.room[:length]); err != nil {
		return false, fmt.Errorf("%w: %w", errQueue, err)
	}
	return true, readEvent(&r.next, r.room[:length])
}

// runHeap has the run with the earliest event first.
type runHeap []*runReader

func (h runHeap) Len() int { return len(h) }
func (h runHeap) Less(i, j int) bool {
	a, b := &h[i].next, &h[j].next
	return a.at < b.at || a.at == b.at && (a.rank < b.rank || a.rank == b.rank && h[i].run < h[j].run)
}
func (h runHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *runHeap) Push(one any) { *h = append(*h, one.(*runReader)) }
func (h *runHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// merge gives the events of all runs in order.
func (q *eventQueue) merge(take func(*shownEvent) error) error {
	q.writer.to, q.index = nil, nil
	var runs runHeap
	for i, run := range q.runs {
		r := &runReader{run: i, in: bufio.NewReaderSize(io.NewSectionReader(q.file, run.from, run.length), 32<<10)}
		more, err := r.step()
		if err != nil {
			return err
		}
		if more {
			runs = append(runs, r)
		}
	}
	heap.Init(&runs)
	for len(runs) > 0 {
		first := runs[0]
		if err := take(&first.next); err != nil {
			return err
		}
		more, err := first.step()
		if err != nil {
			return err
		}
		if more {
			heap.Fix(&runs, 0)
		} else {
			heap.Pop(&runs)
		}
	}
	return nil
}

// close gives the file back.
func (q *eventQueue) close() {
	if q.file != nil {
		_ = q.file.Close()
		_ = os.Remove(q.file.Name())
	}
}
