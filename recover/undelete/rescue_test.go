package undelete_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// rescue is what one run of undelete gave.
type rescue struct {
	loss *undelete.Loss
	rows map[string][]byte // COPY text by table
}

// run opens the evidence and recovers what the request asks for; without files
// means that only the catalogs of the data directory are used.
func run(t *testing.T, sources undelete.Sources, request func(*undelete.Evidence) undelete.Request, withoutFiles bool) *rescue {
	t.Helper()
	r, err := tryRun(t, sources, request, withoutFiles)
	if err != nil {
		t.Fatalf("find: %v", err)
	}
	return r
}

// tryRun is run where the loss may not be found: that error is returned.
func tryRun(t *testing.T, sources undelete.Sources, request func(*undelete.Evidence) undelete.Request, withoutFiles bool) (*rescue, error) {
	t.Helper()
	ctx := context.Background()
	ev, gaps, err := undelete.Open(ctx, sources)
	if err != nil {
		t.Fatalf("open: %v (gaps %v)", err, gaps)
	}
	t.Cleanup(func() { ev.Close() })
	if withoutFiles {
		ev.DataDir = ""
	}
	loss, err := undelete.Find(ctx, ev, request(ev))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { loss.Close() })
	if err := loss.Settle(ctx); err != nil {
		t.Fatalf("settle: %v", err)
	}
	for i, g := range loss.Gaps {
		if slices.Contains(loss.Gaps[:i], g) {
			t.Errorf("a gap is told twice: %s", g)
		}
	}
	r := &rescue{loss: loss, rows: make(map[string][]byte)}
	buffers := make(map[string]*bytes.Buffer)
	var writers []*evidence.Writer
	err = loss.Recover(ctx, func(table *undelete.Table) (evidence.Sink, error) {
		buffer := new(bytes.Buffer)
		buffers[table.Name()] = buffer
		w, err := evidence.NewWriter(evidence.FormatCopy, buffer)
		writers = append(writers, w)
		return evidence.SinkFunc(func(row *evidence.Row) error {
			if !row.Complete() { // in part; the balance says so
				return nil
			}
			return w.Put(row)
		}), err
	})
	for _, w := range writers {
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil {
		t.Fatalf("recover: %v", err)
	}
	for name, buffer := range buffers {
		r.rows[name] = buffer.Bytes()
	}
	for _, table := range loss.Tables() {
		if !table.Balance.Balances() {
			t.Errorf("%s does not balance: %+v", table.Name(), table.Balance)
		}
		checkLedger(t, loss, table)
	}
	return r, nil
}

// checkLedger compares the ledger with the balance: every version once, and
// every version that is not there with its reason.
func checkLedger(t *testing.T, loss *undelete.Loss, table *undelete.Table) {
	t.Helper()
	var heap, wal, inPart, missing int64
	seen := make(map[string]bool)
	err := loss.Ledger(table, func(line *undelete.Line) error {
		key := line.TID.String() + line.LSN.String()
		if seen[key] {
			t.Errorf("%s: %s at %s stands twice in the ledger", table.Name(), line.TID, line.LSN)
		}
		seen[key] = true
		switch {
		case line.InPart:
			inPart++
		case line.Settled == evidence.RouteHeap:
			heap++
		case line.Settled == evidence.RouteWAL:
			wal++
		default:
			missing++
		}
		if (line.InPart || line.Settled == "") != (line.Reason != "") {
			t.Errorf("%s: %s is settled by %q and its reason is %q", table.Name(), line.TID, line.Settled, line.Reason)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b := table.Balance
	if heap != b.Heap || wal != b.WAL || inPart != b.InPart || missing != b.Missing {
		t.Errorf("%s: ledger counts %d, %d, %d, %d, the balance is %+v", table.Name(), heap, wal, inPart, missing, b)
	}
	var reasons int64
	for _, reason := range b.Reasons {
		reasons += reason.Count
	}
	if reasons != b.InPart+b.Missing {
		t.Errorf("%s: reasons sum up to %d of %d", table.Name(), reasons, b.InPart+b.Missing)
	}
}

// sorted gives the lines of COPY text in order, since COPY and the ledger do
// not have the same.
func sorted(text []byte) [][]byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	return lines
}

// equalRows fails unless both texts hold the same rows, and shows the first difference.
func equalRows(t *testing.T, table string, got, want []byte) {
	t.Helper()
	g, w := sorted(got), sorted(want)
	if len(g) != len(w) {
		t.Errorf("%s: %d rows recovered, %d lost", table, len(g)-1, len(w)-1)
	}
	for i := range min(len(g), len(w)) {
		if !bytes.Equal(g[i], w[i]) {
			t.Errorf("%s: first different row\n got %q\nwant %q", table, short(g[i]), short(w[i]))
			return
		}
	}
}

func short(b []byte) []byte { return b[:min(len(b), 600)] }

// subsetOf fails unless every line of got is a line of want.
func subsetOf(t *testing.T, table string, got, want []byte) {
	t.Helper()
	known := make(map[string]int)
	for _, line := range sorted(want) {
		known[string(line)]++
	}
	for _, line := range sorted(got) {
		if known[string(line)]--; known[string(line)] < 0 {
			t.Errorf("%s: recovered a row that was not lost: %q", table, short(line))
			return
		}
	}
}
