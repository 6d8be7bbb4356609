package pg_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

func TestLSN(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want pg.LSN
		bad  bool
	}{
		{"0/16B3740", 0x16B3740, false},
		{"A/0", 0xA_0000_0000, false},
		{"FFFFFFFF/FFFFFFFF", ^pg.LSN(0), false},
		{"0", 0, true},
		{"", 0, true},
		{"0/123456789", 0, true},
		{"g/0", 0, true},
		{"-1/0", 0, true},
	} {
		got, err := pg.ParseLSN(test.text)
		if got != test.want || (err != nil) != test.bad {
			t.Errorf("ParseLSN(%q) = %s, %v", test.text, got, err)
		}
		if !test.bad && got.String() != test.text {
			t.Errorf("%q prints as %s", test.text, got)
		}
	}
	encoded, err := json.Marshal(pg.LSN(0x16B3740))
	if err != nil || string(encoded) != `"0/16B3740"` {
		t.Errorf("JSON %s, %v", encoded, err)
	}
}

func TestXIDPrecedesAcrossWraparound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b pg.XID
		want bool
	}{
		{3, 4, true},
		{4, 3, false},
		{7, 7, false},
		{0xFFFFFFF0, 5, true}, // wrapped around
		{5, 0xFFFFFFF0, false},
		{pg.FrozenXID, 3, true}, // permanent ids are older than all others
		{0xFFFFFFF0, pg.FrozenXID, false},
	} {
		if got := test.a.Precedes(test.b); got != test.want {
			t.Errorf("%d precedes %d: %t", test.a, test.b, got)
		}
	}
}

func TestTimestamp(t *testing.T) {
	t.Parallel()
	for _, want := range []time.Time{
		time.Date(2026, 11, 23, 5, 6, 7, 123456000, time.UTC),
		time.Date(1999, 12, 31, 23, 59, 59, 999999000, time.UTC),
		time.Date(1970, 1, 1, 0, 0, 0, 1000, time.UTC),
		{},
	} {
		if got := pg.TimestampOf(want).Time(); !got.Equal(want) {
			t.Errorf("%s came back as %s", want, got)
		}
	}
	if got := pg.FormatTime(pg.Timestamp(1).Time()); got != "2000-01-01 00:00:00.000001Z" {
		t.Errorf("FormatTime: %s", got)
	}
	if got := pg.FormatTime(time.Time{}); got != "unknown" {
		t.Errorf("FormatTime of nothing: %s", got)
	}
}

func TestQuoteIdent(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"orders": "orders", "order_2": "order_2", "_x": "_x",
		"": `""`, "2nd": `"2nd"`, "Order": `"Order"`, `we"ird`: `"we""ird"`, "таблица": `"таблица"`, "a b": `"a b"`,
	} {
		if got := pg.QuoteIdent(name); got != want {
			t.Errorf("QuoteIdent(%q) = %s, want %s", name, got, want)
		}
	}
}
