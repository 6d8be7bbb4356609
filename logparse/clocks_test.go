package logparse

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestClocks(t *testing.T) {
	t.Parallel()
	server, backend, other := &Source{Name: "postgres.log"}, &Source{Name: "backend.log"}, &Source{Name: "other.log"}
	clocks := NewClocks()
	start := time.Date(2025, 10, 7, 18, 0, 0, 0, time.UTC)
	for i := range 101 {
		at := start.Add(time.Duration(i) * time.Second)
		key := []byte(fmt.Sprint("statement ", i))
		clocks.Event(server, key, Stamp{Time: at})
		late := time.Duration(i%3-1) * time.Millisecond
		clocks.Event(backend, key, Stamp{Time: at.Add(-4*time.Hour + 250*time.Millisecond + late)})
		clocks.Event(server, []byte("SELECT 1"), Stamp{Time: at}) // again and again
		clocks.Event(backend, []byte("SELECT 1"), Stamp{Time: at.Add(time.Minute)})
		clocks.Event(other, []byte(fmt.Sprint("other ", i)), Stamp{Time: at})
	}
	clocks.Event(server, []byte("no time"), Stamp{})
	offsets := clocks.Offsets()
	if len(offsets) != 1 {
		t.Fatalf("offsets %v, want one", offsets)
	}
	o := offsets[0]
	if o.Source != backend || o.Other != server || o.Ahead != -4*time.Hour+250*time.Millisecond || o.Spread > time.Millisecond || o.Events != 101 || o.Zone() != -4*time.Hour {
		t.Errorf("%+v, zone %v", o, o.Zone())
	}
	const want = "the clock of backend.log is 3h59m59.75s behind postgres.log (median of 101 events, spread 1ms); 4h0m0s of it is likely a difference of zones"
	if o.String() != want {
		t.Errorf("%q, want %q", o, want)
	}
}

func TestClocksOfTransport(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 20_000 { // more than are kept
		at := time.Date(2025, 9, 15, 20, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Second)
		fmt.Fprintf(&text, "%s | red %s a\n", at.Add(-4*time.Hour+time.Millisecond).Format("2006-01-02 15:04:05.000"), at.Format("2006-01-02 15:04:05"))
	}
	source := found(t, text.String())
	source.Clocks = NewClocks()
	if err := Recognise(context.Background(), []*Source{source}, toy{"red", 1, true}); err != nil {
		t.Fatal(err)
	}
	messages(t, source)
	offsets := source.Clocks.Offsets()
	if len(offsets) != 1 || offsets[0].Ahead != 4*time.Hour-time.Millisecond || offsets[0].Events != 20_000 || offsets[0].Spread != 0 {
		t.Fatalf("%+v", offsets)
	}
	const want = "the clock of a.log is 3h59m59.999s ahead of its transport's clock (median of 20000 events, spread 0s); 4h0m0s of it is likely a difference of zones"
	if got := offsets[0].String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestClocksAreBounded(t *testing.T) {
	t.Parallel()
	clocks, source := NewClocks(), &Source{}
	for i := range maxEvents + 1000 {
		clocks.Event(source, []byte(fmt.Sprint(i)), Stamp{Time: time.Unix(int64(i), 0)})
	}
	if len(clocks.events) != maxEvents {
		t.Errorf("%d events are kept, want %d", len(clocks.events), maxEvents)
	}
}
