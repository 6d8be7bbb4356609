package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestZonesAreSuggested(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ wrong, want string }{
		{"Europe/Berlim", "Europe/Berlin"},
		{"europe/berlin", "Europe/Berlin"},
		{"berlin", "Europe/Berlin"},
		{"New York", "America/New_York"},
		{"US/New_York", "America/New_York"},
		{"America/Sao Paulo", "America/Sao_Paulo"},
		{"Asia/Calcuta", ""},
		{"CST", ""},
		{"", ""},
	} {
		if got := strings.Join(closestZones(test.wrong), " "); got != test.want {
			t.Errorf("%q gives %q, want %q", test.wrong, got, test.want)
		}
	}
}

func TestZoneNamesAreZones(t *testing.T) {
	t.Parallel()
	names := strings.Fields(zoneNames)
	for _, name := range names {
		if _, err := time.LoadLocation(name); err != nil {
			t.Error(err)
		}
	}
	if len(names) < 300 || !slices.Contains(names, "Europe/Berlin") {
		t.Errorf("there are %d names", len(names))
	}
}
