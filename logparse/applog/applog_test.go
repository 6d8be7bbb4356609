package applog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/logparse"
)

const flow = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

// recognised is a log that the detector has looked at.
func recognised(t testing.TB, text string, detector Detector) *logparse.Source {
	t.Helper()
	sources, skipped, err := logparse.Find(context.Background(), logparse.FindOptions{Paths: []string{"-"}, Stdin: strings.NewReader(text)})
	if err != nil || len(sources) != 1 {
		t.Fatalf("%d sources, %v, %v", len(sources), skipped, err)
	}
	if err := logparse.Recognise(context.Background(), sources, detector); err != nil {
		t.Fatal(err)
	}
	return sources[0]
}

// show prints an entry as the tests compare it: time|level|logger|message|fields.
func show(e *logparse.Entry) string {
	stamp := "-"
	if !e.Time.IsZero() {
		stamp = e.Time.Format("15:04:05.999")
	}
	var fields []string
	for _, field := range e.Fields {
		fields = append(fields, field.Name+"="+string(field.Text))
	}
	parts := []string{stamp, e.Severity, e.Logger, string(e.Message)}
	if len(fields) > 0 {
		parts = append(parts, strings.Join(fields, " "))
	}
	if e.Partial {
		parts = append(parts, "partial")
	}
	return strings.Join(parts, "|")
}

func entries(t testing.TB, source *logparse.Source) (shown []string) {
	t.Helper()
	for entry, err := range source.Entries(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, show(entry))
	}
	return shown
}

func TestKnownShapes(t *testing.T) {
	t.Parallel()
	if n := len(knownShapes()); n != 28 {
		t.Errorf("%d shapes can be read", n)
	}
	for _, text := range []string{"", "%(message)s", "%(asctime)s %(nothing)s %(message)s", "%(asctime)s%(message)s", "%(message)s %(asctime)s", "%(asctime)s %(message", "%(asctime)s %(message)", "x"} {
		if shape, err := ParseShape(text); err == nil {
			t.Errorf("%q gave %+v", text, shape)
		}
	}
}

// TestShapes reads heads as programs write them, with a second line, each in a log of its own.
func TestShapes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ line, want string }{
		{"2025-10-07 18:22:49,123 - app.core.context - INFO - 🔍 a - b", "18:22:49.123|INFO|app.core.context|🔍 a - b"},
		{"2025-10-07 18:22:49,123 - app.services - INFO -   - indented", "18:22:49.123|INFO|app.services|  - indented"},
		{"2025-10-07 18:22:49,123 - app.services - INFO - ", "18:22:49.123|INFO|app.services|"},
		{"INFO:app.core.middleware:✅ done: yes", "-|INFO|app.core.middleware|✅ done: yes"},
		{"2025-10-07 18:22:49.123 | WARNING  | app.jobs:run:17 - a", "18:22:49.123|WARNING|app.jobs|a|funcName=run lineno=17"},
		{"[2025-10-07 18:22:49 +0200] [7] [INFO] Booting worker", "16:22:49|INFO||Booting worker"},
		{"[2025-10-07 18:22:49,123: ERROR/ForkPoolWorker-1] Task failed", "18:22:49.123|ERROR||Task failed|processName=ForkPoolWorker-1"},
		{"[2025-10-07 18:22:49,123] ERROR in app: Exception on /", "18:22:49.123|ERROR||Exception on /|module=app"},
		{"2025-10-07 18:22:49,123 INFO sqlalchemy.engine.Engine SELECT 1", "18:22:49.123|INFO|sqlalchemy.engine.Engine|SELECT 1"},
		{"2025-10-07 18:22:49,123 [INFO] app.x: a", "18:22:49.123|INFO|app.x|a"},
		{"2025-10-07T18:22:49.123456Z [info     ] started    port=1", "18:22:49.123|info||started    port=1"},
		{"2025/10/07 18:22:49 [error] 7#8: *1 open() failed", "18:22:49|error||*1 open() failed|thread=8"},
		{"INFO:     Started server process [1]", "-|INFO||Started server process [1]"},
		{`INFO:     10.0.0.1:53422 - "POST /api/v1/x?y=1 HTTP/1.1" 200 OK`, `-|INFO||10.0.0.1:53422 - "POST /api/v1/x?y=1 HTTP/1.1" 200 OK|method=POST path=/api/v1/x?y=1 status=200`},
		{"INFO 2025-10-07 18:22:49,123 views 71 140 a", "18:22:49.123|INFO||a|module=views thread=140"},
		{"D, [2025-10-07T18:22:49.123456 #71] DEBUG -- :   User Create (0.4ms)  INSERT INTO users", "18:22:49.123|DEBUG||  User Create (0.4ms)  INSERT INTO users"},
		{"I, [2025-10-07T18:22:49.123456 #71]  INFO -- app: a", "18:22:49.123|INFO|app|a"},
		{"2025-10-07 18:22:49,123 ERROR app.x: a", "18:22:49.123|ERROR|app.x|a"},
	} {
		source := recognised(t, test.line+"\n  more\n"+test.line+"\n", Detector{})
		message := strings.Split(test.want, "|")
		message[3] += "\n  more"
		want := []string{strings.Join(message, "|"), test.want}
		if got := entries(t, source); !slices.Equal(got, want) {
			t.Errorf("%s\nin %q:\n%q, want\n%q", test.line, source.Format, got, want)
		}
	}
}

func TestGivenShape(t *testing.T) {
	t.Parallel()
	shape, err := ParseShape("<%(levelname)-8s> %(asctime)s {%(threadName)s} %(name)s >> %(message)s")
	if err != nil {
		t.Fatal(err)
	}
	source := recognised(t, "<INFO    > 2025-10-07 18:22:49,5 {MainThread} app.x >> a >> b\n", Detector{Shapes: []*Shape{shape}})
	if got := entries(t, source); !slices.Equal(got, []string{"18:22:49.5|INFO|app.x|a >> b|threadName=MainThread"}) {
		t.Errorf("%q", got)
	}
}

// TestJoined: what belongs to one entry, and what does not.
func TestJoined(t *testing.T) {
	t.Parallel()
	const head = "2025-10-07 18:22:49,1 - app.x - ERROR - "
	traceback := []string{
		"Traceback (most recent call last):", "  File \"/app/x.py\", line 7, in f", "    g()", "ValueError: a", "", "The above exception was the direct cause of the following exception:", "",
		"Traceback (most recent call last):", "  File \"/app/y.py\", line 8, in g", "sqlalchemy.exc.IntegrityError: (x) b", "DETAIL:  Key (id)=(7) already exists.", "[SQL: INSERT INTO a", "VALUES ($1)]", "[parameters: ('a',)]",
	}
	panel := []string{"╭───── Task ─────╮", "│                │", "│  Name: a       │", "╰────────────────╯"}
	pretty := []string{"Parsed JSON: {", `  "file_data": [`, "{", `"a": "}"`, "}", "],", `"b": 1`, "}"}
	tests := []struct {
		name  string
		lines []string
		want  []string // the messages
	}{
		{"traceback", append([]string{head + "failed"}, traceback...), []string{"failed\n" + strings.Join(traceback, "\n")}},
		{"loose traceback", append([]string{head + "a", "", "print"}, traceback...), []string{"a", "print", strings.Join(traceback, "\n")}},
		{"panel", append(append([]string{head + "a"}, panel...), "behind"), []string{"a", strings.Join(panel, "\n"), "behind"}},
		{"two panels", append(append([]string{head + "a"}, panel...), panel...), []string{"a", strings.Join(panel, "\n"), strings.Join(panel, "\n")}},
		{"pretty", append(append([]string{}, head+pretty[0]), pretty[1:]...), []string{strings.Join(pretty, "\n")}},
		{"SQL", []string{head + "SELECT a", "FROM b", "WHERE c"}, []string{"SELECT a\nFROM b\nWHERE c"}},
		{"blank lines", []string{head + "a", "", "", head + "b", "", "c"}, []string{"a", "b", "c"}},
		{"loose", []string{head + "a", "LiteLLM completion() model= x; provider = y", "LiteLLM completion() model= x; provider = y"}, []string{"a", "LiteLLM completion() model= x; provider = y", "LiteLLM completion() model= x; provider = y"}},
		{"uvicorn between", []string{head + "a", "INFO:     Started", head + "b"}, []string{"a", "Started", "b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			lines := append(slices.Clone(test.lines), head+"last")
			source := recognised(t, strings.Join(lines, "\n"), Detector{})
			var got []string
			total := 0
			for entry, err := range source.Entries(context.Background()) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(entry.Message))
				total += entry.Lines
			}
			if want := append(slices.Clone(test.want), "last"); !slices.Equal(got, want) {
				t.Errorf("in %q:\n%q, want\n%q", source.Format, got, want)
			}
			blank := 0
			for _, line := range lines {
				if line == "" {
					blank++
				}
			}
			if total > len(lines) || total < len(lines)-blank {
				t.Errorf("%d of %d lines", total, len(lines))
			}
		})
	}
}

func TestStreamsDoNotTearEntries(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, line := range []struct{ stream, text string }{
		{"stderr", "2025-10-07 18:22:49,1 - a - ERROR - failed"},
		{"stderr", "Traceback (most recent call last):"},
		{"stdout", "2025-10-07 18:22:49,1 - b - INFO - between"},
		{"stderr", "  File x"},
		{"stderr", "ValueError: a"},
	} {
		fmt.Fprintf(&text, "{\"log\":%q,\"stream\":%q,\"time\":\"2025-10-07T18:22:49.123456789Z\"}\n", line.text+"\n", line.stream)
	}
	got := entries(t, recognised(t, text.String(), Detector{}))
	slices.Sort(got)
	want := []string{"18:22:49.123|ERROR|a|failed\nTraceback (most recent call last):\n  File x\nValueError: a", "18:22:49.123|INFO|b|between"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ format, line, want string }{
		{
			"the application", `{"timestamp": "2025-10-07T18:22:49.123456", "level": "INFO", "logger": "app.x", "message": "\ud83d\udd04 a", "trace_id": "t", "module": "m", "function": "f", "line": 7, "context": {"client_account_id": "` + flow + `", "flow_id": null}, "exception": "Traceback"}`,
			"18:22:49.123|INFO|app.x|🔄 a|trace_id=t module=m function=f line=7 context.client_account_id=" + flow,
		},
		{"structlog", `{"user_id": 7, "event": "stored", "level": "info", "timestamp": "2025-10-07T18:22:49Z", "rows": [1, 2]}`, "18:22:49|info||stored|user_id=7 rows=[1, 2]"},
		{"python-json-logger", `{"asctime": "2025-10-07 18:22:49,123", "levelname": "ERROR", "name": "app", "message": "a\nb"}`, "18:22:49.123|ERROR|app|a\nb"},
		{
			"loguru", `{"text": "x | a\n", "record": {"elapsed": {"repr": "0"}, "exception": null, "extra": {"flow_id": "f"}, "function": "run", "level": {"icon": "i", "name": "INFO", "no": 20}, "line": 3, "message": "a", "name": "app.x", "process": {"id": 71, "name": "Main"}, "time": {"repr": "2025", "timestamp": 1759861369.123}}}`,
			"18:22:49.123|INFO|app.x|a|extra.flow_id=f function=run line=3",
		},
		{"JSON lines", `{"ts": 1759861369123, "severity": "info", "msg": "a"}`, "18:22:49.123|info||a"},
		{"JSON lines", `{"ts": 1759861369.5, "severity": "info", "msg": "a", "cut": "b`, "18:22:49.5|info||a|cut=b|partial"},
	} {
		source := recognised(t, test.line+"\n"+test.line+"\n", Detector{})
		got := entries(t, source)
		if !strings.Contains(source.Format, test.format) || !slices.Equal(got, []string{test.want, test.want}) {
			t.Errorf("%s: %q\n%q, want\n%q", test.format, source.Format, got, test.want)
		}
	}
}

func TestServersLogIsNone(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		`{"timestamp":"2025-10-07 18:22:49.123 UTC","pid":71,"session_id":"a.b","line_num":1,"error_severity":"LOG","message":"statement: SELECT 1","backend_type":"client backend"}`,
		"2025-10-07 18:22:49.123 UTC [71] app@shop LOG:  statement: SELECT 1",
		`2025-10-07 18:22:49.123 UTC,"app","shop",71,"[local]",68e5.47,1,"SELECT",2025-10-07 18:22:40 UTC,3/7,0,LOG,00000,"duration: 1 ms",,,,,,,,,"psql","client backend",,0`,
		"ERROR:  relation \"a\" does not exist", "FATAL:  no", "2025-10-07 18:22:49.123 UTC ERROR:  no",
		"just text", "", "a: b: c", "{", `{"a": 1}`, "SELECT 1 - INFO - 2",
	} {
		if offered := (Detector{}).Detect([]logparse.Line{{Text: []byte(line)}}); len(offered) > 0 {
			t.Errorf("%q is offered as %q", line, offered[0].Format)
		}
	}
}

// TestScore: a log of more panels, tracebacks and JSON than heads is known all the same; what is printed loosely does not count.
func TestScore(t *testing.T) {
	t.Parallel()
	text := "x\nINFO:app.x:got {\n\"a\": [\n1\n]\n}\n\nloose\n╭──╮\n│ a│\n│ b│\n╰──╯\n\nloose\nTraceback (most recent call last):\n  File\nValueError: b\n\nloose"
	var sample []logparse.Line
	for line := range strings.SplitSeq(text, "\n") {
		sample = append(sample, logparse.Line{Text: []byte(line)})
	}
	if offered := (Detector{}).Detect(sample); len(offered) != 1 || offered[0].Score != 12.0/16 {
		t.Errorf("%+v", offered)
	}
}

func TestMixedFormats(t *testing.T) {
	t.Parallel()
	text := `{"timestamp": "2025-10-07T18:22:49", "level": "INFO", "logger": "a", "message": "one"}` + "\n" +
		"2025-10-07 18:22:50,1 - b - INFO - two\nINFO:     Started\n" +
		`10.0.0.1 - ann [07/Oct/2025:18:22:51 +0000] "GET /a \"b\" HTTP/1.1" 404 12 "http://x" "curl/8" "1.2.3.4"` + "\n" +
		"Traceback (most recent call last):\n  File x\nValueError: y\n"
	got := entries(t, recognised(t, text, Detector{}))
	slices.Sort(got)
	want := []string{
		"-|INFO||Started", "-|||Traceback (most recent call last):\n  File x\nValueError: y",
		`18:22:49|INFO|a|one`, "18:22:50.1|INFO|b|two",
		`18:22:51|||10.0.0.1 - ann [07/Oct/2025:18:22:51 +0000] "GET /a \"b\" HTTP/1.1" 404 12 "http://x" "curl/8" "1.2.3.4"|method=GET path=/a \"b\" status=404 bytes=12 referer=http://x agent=curl/8 more="1.2.3.4"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// FuzzFramers: whatever lines there are, each stands in one entry, and nothing is made up.
func FuzzFramers(f *testing.F) {
	for _, text := range []string{
		"2025-10-07 18:22:49,123 - a - INFO - b\n\n{\n[\n", "INFO:a:b\nTraceback (most recent call last):\n", "╭──\n│\n╰──\n", `{"message": "a", "level": "b"`,
		`1 - - [07/Oct/2025:18:22:51 +0000] "GET" 200 1 "a`, `{"record": {"message": "a\u00`, "2025-10-07 18:22:49,123 INFO a: b", "INFO:  1:2 - \"A\" 200",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var sample []logparse.Line
		for line := range strings.Lines(text) {
			sample = append(sample, logparse.Line{Number: int64(len(sample) + 1), Text: []byte(strings.TrimRight(line, "\r\n"))})
		}
		framers := []logparse.Framer{newTextFramer(knownShapes()), &jsonFramer{text: newTextFramer(nil)}, &accessFramer{}}
		for _, candidate := range (Detector{}).Detect(sample) {
			if candidate.Score > 1 || candidate.Format == "" {
				t.Errorf("%+v", candidate)
			}
			framers = append(framers, candidate.Framer())
		}
		for _, framer := range framers {
			lines, last := 0, int64(0)
			out := func(e *logparse.Entry) error {
				if lines += e.Lines; e.Line <= last || e.Lines < 1 {
					t.Errorf("an entry of %d lines on line %d behind %d", e.Lines, e.Line, last)
				}
				last = e.Line + int64(e.Lines) - 1
				return nil
			}
			blank := 0
			for i := range sample {
				if len(sample[i].Text) == 0 {
					blank++
				}
				if err := framer.Frame(&sample[i], out); err != nil {
					t.Fatal(err)
				}
			}
			if err := framer.Flush(out); err != nil {
				t.Fatal(err)
			}
			if lines > len(sample) || lines < len(sample)-blank {
				t.Errorf("%T: %d of %d lines", framer, lines, len(sample))
			}
		}
	})
}
