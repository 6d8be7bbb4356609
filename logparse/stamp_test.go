package logparse

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestParseStamp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want string // in UTC
		zone Zone
		rest string
	}{
		{"2025-10-07 18:22:49.123 UTC [71] LOG:  a", "2025-10-07T18:22:49.123Z", Zoned, " [71] LOG:  a"},
		{"2025-10-07 18:22:49 CEST [71]", "2025-10-07T16:22:49Z", Zoned, " [71]"},
		{"2025-10-07 18:22:49.123 +0530 x", "2025-10-07T12:52:49.123Z", Zoned, " x"},
		{"2025-10-07 18:22:49 -03:LOG", "2025-10-07T21:22:49Z", Zoned, ":LOG"},
		{"2025-10-07 18:22:49+05:45 x", "2025-10-07T12:37:49Z", Zoned, " x"},
		{"2025-10-07T18:22:49.123456789Z x", "2025-10-07T18:22:49.123456789Z", Zoned, " x"},
		{"2025-10-07T18:22:49.123456+00:00\"", "2025-10-07T18:22:49.123456Z", Zoned, "\""},
		{"2025-10-07T18:22:49.123456", "2025-10-07T18:22:49.123456Z", NoZone, ""},
		{"2025-10-07 18:22:49,123 - app - INFO - a", "2025-10-07T18:22:49.123Z", NoZone, " - app - INFO - a"},
		{"2025-10-07 18:22:49 INFO a", "2025-10-07T18:22:49Z", NoZone, " INFO a"},
		{"2025-10-07 18:22:49 EST_5 a", "2025-10-07T18:22:49Z", NoZone, " EST_5 a"},
		{"2025-10-07 18:22:49 WETTER", "2025-10-07T18:22:49Z", NoZone, " WETTER"},
		{"2025-10-07 18:22:49 -12 items", "2025-10-08T06:22:49Z", Zoned, " items"},
		{"2025/10/07 18:22:49 [error] 7#7", "2025-10-07T18:22:49Z", NoZone, " [error] 7#7"},
		{"07/Oct/2025:18:22:49 +0000] \"GET", "2025-10-07T18:22:49Z", Zoned, "] \"GET"},
		{"07/Oct/2025 18:22:49] \"GET", "2025-10-07T18:22:49Z", NoZone, "] \"GET"},
		{"Tue Oct  7 18:22:49 2025 - uwsgi", "2025-10-07T18:22:49Z", NoZone, " - uwsgi"},
		{"2024-02-29 23:59:60 UTC", "2024-03-01T00:00:00Z", Zoned, ""},
		{"1969-12-31 23:59:59.5 UTC", "1969-12-31T23:59:59.5Z", Zoned, ""},
		{"2025-10-07 18:22:49.1234567891 UTC", "2025-10-07T18:22:49.123456789Z", Zoned, ""},
		{"2025-02-29 18:22:49", "", 0, ""},
		{"0001-01-01 00:00:00", "", 0, ""},
		{"2025-13-07 18:22:49", "", 0, ""},
		{"2025-10-07 24:22:49", "", 0, ""},
		{"2025-10-07 18:22:4", "", 0, ""},
		{"2025-10-07 18:22:491", "", 0, ""},
		{"2025-10/07 18:22:49", "", 0, ""},
		{"10.20.30.40 - - [07/Oct", "", 0, ""},
		{"Tue Okt  7 18:22:49 2025", "", 0, ""},
		{"", "", 0, ""},
	}
	for _, test := range tests {
		stamp, n := ParseStamp([]byte(test.text))
		if test.want == "" {
			if n != 0 || !stamp.Time.IsZero() {
				t.Errorf("%q: %v, %d bytes; want none", test.text, stamp, n)
			}
			continue
		}
		if got := stamp.Time.Format(time.RFC3339Nano); got != test.want || stamp.Zone != test.zone || test.text[n:] != test.rest {
			t.Errorf("%q: %s, %s, rest %q; want %s, %s, rest %q", test.text, got, stamp.Zone, test.text[n:], test.want, test.zone, test.rest)
		}
	}
}

func TestParseEpoch(t *testing.T) {
	t.Parallel()
	stamp, n := ParseEpoch([]byte("1759861369.123 [71]"))
	if got := stamp.Time.Format(time.RFC3339Nano); got != "2025-10-07T18:22:49.123Z" || n != 14 || stamp.Zone != Zoned {
		t.Error(got, n, stamp.Zone)
	}
	for _, text := range []string{"175986136", "17598613690001", "12345678", "abc"} {
		if _, n := ParseEpoch([]byte(text)); n != 0 && len(text) != 9 {
			t.Errorf("%q was taken, %d bytes", text, n)
		}
	}
}

// TestShortZonesAgreeWithTheDatabase asks the time zone database for every short name that it uses
// today, and in which zones.
func TestShortZonesAgreeWithTheDatabase(t *testing.T) {
	t.Parallel()
	offsets := make(map[string]map[int]string)
	for _, name := range zoneNames() {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(name, err)
		}
		for _, month := range []time.Month{time.January, time.April, time.July, time.October} {
			short, offset := time.Date(2025, month, 1, 12, 0, 0, 0, zone).Zone()
			if offsets[short] == nil {
				offsets[short] = make(map[int]string)
			}
			offsets[short][offset] = name
		}
	}
	if len(offsets) < 40 {
		t.Fatalf("%d short names", len(offsets))
	}
	for short, all := range offsets {
		if !isLetter(short[0]) {
			continue
		}
		got := shortZone([]byte(short))
		_, right := all[got.offset]
		switch {
		case len(all) == 1 && got.known && right:
		case got.short == short: // several zones, or one that was renamed lately
		default:
			t.Errorf("%s: %+v; the database has %v", short, got, all)
		}
		if len(all) > 1 && got.known {
			t.Errorf("%s is in several zones, %v, and was taken for one", short, all)
		}
	}
}

// zoneNames are zones with all short names that the database of 2025 has.
func zoneNames() []string {
	return []string{
		"UTC", "GMT", "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Paris", "Europe/Berlin", "Europe/Athens", "Europe/Kyiv", "Europe/Moscow",
		"Africa/Lagos", "Africa/Maputo", "Africa/Nairobi", "Africa/Johannesburg", "Africa/Abidjan", "Africa/Cairo",
		"Asia/Jerusalem", "Asia/Kolkata", "Asia/Karachi", "Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura", "Asia/Shanghai", "Asia/Hong_Kong", "Asia/Manila", "Asia/Tokyo", "Asia/Seoul",
		"Australia/Perth", "Australia/Adelaide", "Australia/Darwin", "Australia/Sydney", "Australia/Brisbane", "Pacific/Guam", "Pacific/Auckland", "Pacific/Pago_Pago", "Pacific/Honolulu",
		"America/St_Johns", "America/Halifax", "America/Puerto_Rico", "America/New_York", "America/Jamaica", "America/Chicago", "America/Havana", "America/Denver", "America/Phoenix",
		"America/Los_Angeles", "America/Anchorage", "America/Adak",
	}
}

func TestLocalize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		zone, text, want string
		how              Zone
	}{
		{"Europe/Berlin", "2025-10-07 18:22:49", "2025-10-07T16:22:49Z", Assumed},
		{"Europe/Berlin", "2025-12-07 18:22:49", "2025-12-07T17:22:49Z", Assumed},
		{"Europe/Berlin", "2025-10-26 01:59:59", "2025-10-25T23:59:59Z", Assumed},
		{"Europe/Berlin", "2025-10-26 02:00:00", "2025-10-26T00:00:00Z", Twice},
		{"Europe/Berlin", "2025-10-26 02:59:59", "2025-10-26T00:59:59Z", Twice},
		{"Europe/Berlin", "2025-10-26 03:00:00", "2025-10-26T02:00:00Z", Assumed},
		{"Europe/Berlin", "2025-03-30 01:59:59", "2025-03-30T00:59:59Z", Assumed},
		{"Europe/Berlin", "2025-03-30 02:30:00", "2025-03-30T01:30:00Z", Leapt},
		{"Europe/Berlin", "2025-03-30 03:00:00", "2025-03-30T01:00:00Z", Assumed},
		{"Australia/Lord_Howe", "2025-04-06 01:45:00", "2025-04-05T14:45:00Z", Twice}, // half an hour
		{"Pacific/Apia", "2011-12-30 12:00:00", "2011-12-30T22:00:00Z", Leapt},        // a day that did not come
		{"Europe/Berlin", "2025-10-07 18:22:49 UTC", "2025-10-07T18:22:49Z", Zoned},
		{"America/Chicago", "2025-11-02 01:30:00 CDT", "2025-11-02T06:30:00Z", Assumed},
		{"America/Chicago", "2025-11-02 01:30:00 CST", "2025-11-02T07:30:00Z", Assumed},
		{"Asia/Shanghai", "2025-11-02 01:30:00 CST", "2025-11-01T17:30:00Z", Assumed},
		{"Asia/Shanghai", "2025-11-02 01:30:00 IST", "2025-11-02T01:30:00Z", NoZone}, // the log says otherwise
		{"", "2025-11-02 01:30:00 CST", "2025-11-02T01:30:00Z", NoZone},
		{"", "2025-11-02 01:30:00", "2025-11-02T01:30:00Z", NoZone},
	}
	for _, test := range tests {
		source := &Source{}
		if test.zone != "" {
			zone, err := time.LoadLocation(test.zone)
			if err != nil {
				t.Fatal(err)
			}
			source.Zone = zone
		}
		stamp, _ := ParseStamp([]byte(test.text))
		for range 2 { // anew, and as the day that was just asked for
			got := source.Localize(stamp)
			if text := got.Time.Format(time.RFC3339Nano); text != test.want || got.Zone != test.how {
				t.Errorf("%s in %q: %s, %s; want %s, %s", test.text, test.zone, text, got.Zone, test.want, test.how)
			}
		}
	}
}

func TestStampsEqualParseStamp(t *testing.T) {
	t.Parallel()
	var stamps Stamps
	for _, text := range []string{
		"2025-10-07 18:22:49.123 UTC [71]", "2025-10-07 18:22:50.1 UTC [71]", "2025-10-07 18:22:50 UTC", "2025-10-07 18:22:50 UTCX", "2025-10-07 18:22:51 CET x",
		"2025-10-07 18:22:60 CET x", "2025-10-07 18:22:05 CET x", "2025-10-07 18:22:05 CEST x", "2025-10-07 18:22:05", "2025-10-07 18:22:06.5", "2025-10-07 18:22:x6.5",
		"2025-10-07T18:22:06.5Z", "2025-10-07T18:22:06.512Z\"", "2025-10-07T18:22:07Z x", "2025-10-07 18:22:49 +01 x", "2025-10-07 18:22:49 +0130 x", "2025-10-07 18:22:49 +01:30 x",
		"2025-10-07 18:22:49 CST x", "2025-10-07 18:22:48 CST x", "07/Oct/2025:18:22:49 +0000] x", "", "2025-10-07 18:22:499",
	} {
		want, n := ParseStamp([]byte(text))
		if got, m := stamps.Parse([]byte(text)); got != want || m != n {
			t.Errorf("%q: %v, %d bytes; want %v, %d", text, got, m, want, n)
		}
	}
}

func TestZonesOfSources(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"backend.log", "postgres.log", "other.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("2025-10-07 18:22:49 a\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	zones, err := ParseZones([]string{"UTC", "back*=Europe/Berlin", filepath.Join(dir, "other.txt") + "=Asia/Tokyo"})
	if err != nil {
		t.Fatal(err)
	}
	sources, _, err := Find(context.Background(), FindOptions{Paths: []string{dir}, Zones: zones})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"Europe/Berlin", "Asia/Tokyo", "UTC"} {
		if got := sources[i].Zone.String(); got != want {
			t.Errorf("%s: %s, want %s", sources[i].Name, got, want)
		}
	}
	for _, wrong := range []string{"Berlin", "a=", "Local", "[=UTC"} {
		if _, err := ParseZones([]string{wrong}); err == nil {
			t.Errorf("%q was taken for a zone", wrong)
		}
	}
}

// FuzzParseStamp: what is read again, written in a plain shape, is the same time; and Stamps agrees.
func FuzzParseStamp(f *testing.F) {
	for _, text := range []string{"2025-10-07 18:22:49.123 UTC [71]", "07/Oct/2025:18:22:49 +0000", "Tue Oct  7 18:22:49 2025", "2025-10-07T18:22:49Z", "1759861369.123"} {
		f.Add(text, text)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, before, text string) {
		stamp, n := ParseStamp([]byte(text))
		if n < 0 || n > len(text) || (n == 0) != stamp.Time.IsZero() && stamp.Time.Year() != 1 {
			t.Fatalf("%v, %d bytes of %d", stamp, n, len(text))
		}
		var stamps Stamps
		stamps.Parse([]byte(before))
		if got, m := stamps.Parse([]byte(text)); got != stamp || m != n {
			t.Errorf("behind %q Stamps says %v, %d; want %v, %d", before, got, m, stamp, n)
		}
		if n > 0 {
			plain := stamp.Time.Format("2006-01-02 15:04:05.999999999")
			if again, _ := ParseStamp([]byte(plain)); !again.Time.Equal(stamp.Time) && stamp.Time.Year() >= 0 && stamp.Time.Year() < 10000 {
				t.Errorf("%q is %v, and %q is %v", text, stamp.Time, plain, again.Time)
			}
			source := Source{Zone: zone}
			local := source.Localize(stamp)
			if stamp.Zone == NoZone && stamp.Short == "" && local.Zone != Leapt && local.Time.In(zone).Format("2006-01-02 15:04:05") != stamp.Time.Format("2006-01-02 15:04:05") {
				t.Errorf("%q in Berlin is %v", text, local)
			}
		}
		ParseEpoch([]byte(text))
	})
}
