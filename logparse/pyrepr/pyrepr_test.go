package pyrepr_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse/pyrepr"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// shown writes a value for a test's table.
func shown(v *pyrepr.Value) string {
	value := v.Known()
	switch value.State {
	case evidence.Null:
		return "NULL"
	case evidence.Unknown:
		return "unknown: " + value.Reason + " [" + string(value.Raw) + "]"
	}
	return string(value.Text)
}

// literals are what repr() prints, and what PostgreSQL is to have of it.
func literals() [][2]string {
	return [][2]string{
		{`None`, "NULL"},
		{`True`, "t"},
		{`-17`, "-17"},
		{`123456789012345678901234567890`, "123456789012345678901234567890"},
		{`1.5e-07`, "1.5e-07"},
		{`1e+16`, "1e+16"},
		{`-inf`, "-Infinity"},
		{`nan`, "NaN"},
		{`'plain'`, "plain"},
		{`"it's"`, "it's"},
		{`'both \' and "'`, `both ' and "`},
		{`'a\\b\tc\nd\re\x00\x7f\xe9\u20ac\U0001f600'`, "a\\b\tc\nd\re\x00\x7fé€😀"},
		{`'straße 🙂'`, "straße 🙂"},
		{`'\a\b\f\v\101\q'`, "\a\b\f\vA\\q"},
		{`b'\x00\xff\'a"\n'`, `\x00ff2761220a`},
		{`bytearray(b'ab')`, `\x6162`},
		{`UUID('6a1b0c9e-0000-4000-8000-00000000000a')`, "6a1b0c9e-0000-4000-8000-00000000000a"},
		{`Decimal('-12.340')`, "-12.340"},
		{`datetime.date(2024, 2, 29)`, "2024-02-29"},
		{`datetime.time(7, 5)`, "07:05:00"},
		{`datetime.time(7, 5, tzinfo=datetime.timezone.utc)`, "07:05:00+00"},
		{`datetime.datetime(2024, 2, 29, 13, 4)`, "2024-02-29 13:04:00"},
		{`datetime.datetime(2024, 2, 29, 13, 4, 5, 67000)`, "2024-02-29 13:04:05.067"},
		{`datetime.datetime(2024, 2, 29, 13, 4, 5, 67, tzinfo=datetime.timezone.utc)`, "2024-02-29 13:04:05.000067+00"},
		{`datetime.datetime(2024, 7, 1, 0, 0, tzinfo=datetime.timezone(datetime.timedelta(seconds=19800)))`, "2024-07-01 00:00:00+05:30"},
		{`datetime.datetime(2024, 7, 1, 0, 0, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=72000)))`, "2024-07-01 00:00:00-04"},
		{`datetime.datetime(2024, 7, 1, 0, 0, tzinfo=datetime.timezone(datetime.timedelta(seconds=3600), 'CET'))`, "2024-07-01 00:00:00+01"},
		{`datetime.datetime(2024, 7, 1, 0, 0, fold=1, tzinfo=zoneinfo.ZoneInfo(key='Europe/Berlin'))`, "2024-07-01 00:00:00 Europe/Berlin"},
		{`datetime.datetime(2024, 7, 1, 0, 0, tzinfo=psycopg2.tz.FixedOffsetTimezone(offset=-210, name=None))`, "2024-07-01 00:00:00-03:30"},
		{`datetime.datetime(2024, 7, 1, 0, 0, tzinfo=<UTC>)`, "2024-07-01 00:00:00+00"},
		{`datetime.datetime(2024, 7, 1, 0, 0, tzinfo=tzutc())`, "2024-07-01 00:00:00+00"},
		{`datetime.datetime(2024, 7, 1, 0, 0, tzinfo=TzInfo(UTC))`, "2024-07-01 00:00:00+00"},
		{`datetime.datetime(2024, 7, 1, 0, 0, tzinfo=<DstTzInfo 'Europe/Berlin' CEST+2:00:00 DST>)`, "2024-07-01 00:00:00+02"},
		{`datetime.datetime(2024, 7, 1, 0, 0, tzinfo=<DstTzInfo 'America/Sao_Paulo' -03-1 day, 21:00:00 STD>)`, "unknown: cut in the log [2024-07-01 00:00:00]"},
		{`datetime.timedelta(0)`, "00:00:00"},
		{`datetime.timedelta(days=1)`, "1 day"},
		{`datetime.timedelta(days=-2, seconds=3661, microseconds=500000)`, "-2 days +01:01:01.5"},
		{`<Status.ACTIVE: 'active'>`, "active"},
		{`[1, 2, 3]`, "{1,2,3}"},
		{`['a,b', 'NULL', None, '', 'x"y\\z']`, `{"a,b","NULL",NULL,"","x\"y\\z"}`},
		{`[[1, 2], [3, 4]]`, "{{1,2},{3,4}}"},
		{`[]`, "{}"},
		{`('a',)`, "{a}"},
		{`('a')`, "a"},
		{`{'Server Name': "OG's", 'cpu': 4, 'tags': ['x'], 'none': None, 'on': True}`, `{"Server Name": "OG's", "cpu": 4, "tags": ["x"], "none": null, "on": true}`},
		{`[{'a': 1.5}]`, `[{"a": 1.5}]`},
		{`OrderedDict([('a', 1), ('b', '<')])`, `{"a": 1, "b": "<"}`},
		{`defaultdict(<class 'list'>, {'a': []})`, `{"a": []}`},
		{`<memory at 0x7f0a>`, "unknown: the log shows an object of Python and not its value: <memory at 0x7f0a> [<memory at 0x7f0a>]"},
		{`datetime.datetime(2024, 13, 1, 0, 0)`, "unknown: the log shows an object of Python and not its value: datetime.datetime(2024, 13, 1, 0, 0) [datetime.datetime(2024, 13, 1, 0, 0)]"},
		{`Point(x=1, y=2)`, "unknown: the log shows an object of Python and not its value: Point(x=1, y=2) [Point(x=1, y=2)]"},
		// What was cut.
		{`'abc`, "unknown: cut in the log [abc]"},
		{`'abc\`, "unknown: cut in the log [abc]"},
		{`'abc\u20`, "unknown: cut in the log [abc]"},
		{`'ab ... (130 characters truncated) ... yz'`, "unknown: cut in the log: 130 characters are missing [ab…yz]"},
		{`'ab\ ... (9 characters truncated) ... 'yz'`, `unknown: cut in the log: 9 characters are missing [ab\…'yz]`},
		{`'a lone half \ud83d'`, "unknown: cut in the log [a lone half �]"},
	}
}

func TestLiteralsBecomeWhatPostgreSQLHolds(t *testing.T) {
	t.Parallel()
	for _, test := range literals() {
		value, n, err := pyrepr.Parse(test[0] + " tail")
		if strings.HasPrefix(test[1], "unknown: cut") {
			value, n, err = pyrepr.Parse(test[0])
		}
		if err != nil || n != len(test[0]) {
			t.Errorf("Parse(%s) took %d of %d bytes: %v", test[0], n, len(test[0]), err)
		}
		if got := shown(&value); got != test[1] {
			t.Errorf("Parse(%s)\n got %s\nwant %s", test[0], got, test[1])
		}
	}
}

// python prints the reprs of a program's values, where Python is the oracle.
func TestReadsWhatPythonPrints(t *testing.T) {
	t.Parallel()
	program := `
import datetime as d, decimal, uuid, json
s = "".join(map(chr, list(range(1, 0x250)) + [0x2028, 0x20ac, 0xfffd, 0x1f600]))
values = [s, s[::-1], "'", '"', "'\"", "\\", "", "a\\'b", 1, -1, 2**80, 1.5, 1e300, 1e-7, True, None,
  d.datetime(2024,1,2,3,4,5,6), d.date(1,1,1), d.timedelta(days=3, seconds=4), decimal.Decimal("1.10"), uuid.UUID(int=7)]
for v in values:
    print(json.dumps([repr(v), v if isinstance(v, (str, int, float)) and not isinstance(v, bool) else str(v)]))
nested = {"k%d" % i: v for i, v in enumerate(values)}
print(json.dumps([repr(nested), len(nested)]))
`
	out, err := exec.CommandContext(t.Context(), "python3", "-c", program).Output()
	if err != nil {
		t.Fatalf("python3: %v", err)
	}
	checkPython(t, strings.Split(strings.TrimSpace(string(out)), "\n"))
}

func TestWhatIsKnownOfACutDictStays(t *testing.T) {
	t.Parallel()
	whole := `{'name': 'web 01', 'cpu': 16, 'tags': ['a', 'b'], 'seen': datetime.datetime(2024, 1, 2, 3, 4), 'os': "it's"}`
	for end := range len(whole) {
		value, n, err := pyrepr.Parse(whole[:end])
		if end == 0 {
			if !errors.Is(err, pyrepr.ErrNone) {
				t.Errorf("nothing is a literal: %v", err)
			}
			continue
		}
		if err != nil || n != end || !value.Cut {
			t.Fatalf("%s: %d bytes, cut %v, %v", whole[:end], n, value.Cut, err)
		}
		if end > len(`{'name': 'web 01',`) {
			name, ok := value.Get("name")
			if !ok || shown(name) != "web 01" {
				t.Errorf("%s: the name is lost: %+v", whole[:end], value)
			}
		}
		for i := 1; i < len(value.Items); i += 2 {
			if item := &value.Items[i]; !item.Cut && !strings.Contains("web 01 16 {a,b} 2024-01-02 03:04:00 it's", shown(item)) {
				t.Errorf("%s: a value that is not whole counts as known: %s", whole[:end], shown(item))
			}
		}
	}
}

func TestMarksOfSQLAlchemyStandForWhatIsMissing(t *testing.T) {
	t.Parallel()
	value, _, err := pyrepr.Parse(`[('a', 1), ('b', 2)  ... displaying 10 of 25 total bound parameter sets ...  ('y', 24), ('z', 25)]`)
	if err != nil || len(value.Items) != 5 || value.Items[2].Missing != 15 || shown(&value.Items[4].Items[0]) != "z" {
		t.Errorf("sets: %+v, %v", value, err)
	}
	value, _, err = pyrepr.Parse(`{'a': 1, 'b': 2 ... 50 parameters truncated ... 'y': 24, 'z': 25}`)
	if err != nil || len(value.Items) != 10 || value.Items[5].Missing != 50 || !value.Cut {
		t.Errorf("a dict: %+v, %v", value, err)
	}
	if z, ok := value.Get("z"); !ok || shown(z) != "25" {
		t.Errorf("what stands behind the mark is lost: %+v", value)
	}
}

func TestNoLiteralIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "   ", "hello world", ", 1", ")", "-", "SELECT 1"} {
		if value, _, err := pyrepr.Parse(text); !errors.Is(err, pyrepr.ErrNone) {
			t.Errorf("Parse(%q) = %+v, %v", text, value, err)
		}
	}
	deep := strings.Repeat("[", 100000)
	if value, n, err := pyrepr.Parse(deep); err != nil || !value.Cut || n != len(deep) {
		t.Errorf("deep brackets: %d bytes, cut %v, %v", n, value.Cut, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, test := range literals() {
		f.Add(test[0])
	}
	f.Add(`{'a': 1, 'b': 2 ... 50 parameters truncated ... 'y': 24}`)
	f.Fuzz(func(t *testing.T, text string) {
		value, n, err := pyrepr.Parse(text)
		if err != nil {
			return
		}
		if n < 1 || n > len(text) {
			t.Fatalf("%d bytes of %d", n, len(text))
		}
		known := value.Known()
		if value.Cut && known.State != evidence.Unknown {
			t.Fatalf("a cut value is known: %+v", known)
		}
		if known.State == evidence.Unknown && known.Reason == "" {
			t.Fatal("an unknown value has no reason")
		}
		value.JSON()
	})
}

func BenchmarkParse(b *testing.B) {
	row := `{'Server Name': 'OG-DC-SRV01', 'IP': '10.1.2.3', 'cpu': 16, 'ram': 64.5, 'notes': "it's here", 'seen': None, 'created_at': datetime.datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=datetime.timezone.utc), 'id': UUID('6a1b0c9e-0000-4000-8000-00000000000a')}`
	b.SetBytes(int64(len(row)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := pyrepr.Parse(row); err != nil {
			b.Fatal(err)
		}
	}
}
