package logparse

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestWrappers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, wrapper, text string
		want                []string
	}{
		{"none", "", "2025-10-07 18:22:49.123 UTC [71] LOG:  a\n\tb\r\nc", []string{"2025-10-07 18:22:49.123 UTC [71] LOG:  a", "\tb", "c"}},
		{
			"docker json-file", "docker json-file",
			`{"log":"one \u003c\"two\"\u003e\n","stream":"stdout","time":"2025-10-07T18:22:49.123456789Z"}` + "\n" +
				`{"log":"long ","stream":"stderr","time":"2025-10-07T18:22:49.2Z"}` + "\n" +
				`{"log":"between\n","stream":"stdout","time":"2025-10-07T18:22:49.3Z"}` + "\n" +
				`{"log":"line\n","stream":"stderr","time":"2025-10-07T18:22:49.4Z"}` + "\n",
			[]string{`one <"two">`, "between", "long line"},
		},
		{
			"CRI", "CRI",
			"2016-10-06T00:17:09.669794202Z stdout P long \n2016-10-06T00:17:09.669794202Z stderr F other\n2016-10-06T00:17:10.113242941Z stdout F line\n2016-10-06T00:17:10.113242941+02:00 stdout F \n",
			[]string{"other", "long line", ""},
		},
		{
			"journald", "journald JSON",
			`{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1759861369123456","PRIORITY":"6","_PID":"71","SYSLOG_IDENTIFIER":"postgres","MESSAGE":"plain"}` + "\n" +
				`{"MESSAGE":[104,101,108,27,91,49,109,108,111,255],"__REALTIME_TIMESTAMP":"1759861369123457","_COMM":"x"}` + "\n" +
				`{"MESSAGE":"two\nlines","__REALTIME_TIMESTAMP":"1759861369123457","_COMM":"x"}` + "\n",
			[]string{"plain", "hello\xff", "two", "lines"},
		},
		{
			"few lines of docker json-file", "docker json-file",
			strings.Repeat("docker logs said:\n", 10) + `{"log":"a\r\n","stream":"stdout","attrs":{"tag":"x,\"y\"}"},"time":"2025-10-07T18:22:49.123456789Z"}` + "\n",
			append(slices.Repeat([]string{"docker logs said:"}, 10), "a"),
		},
		{"programs that log JSON", "", `{"log":"a","time":"2025-10-07T18:22:49.123456789Z","level":"info"}` + "\n", []string{`{"log":"a","time":"2025-10-07T18:22:49.123456789Z","level":"info"}`}},
		{"cut JSON", "docker json-file", `{"log":"a\n","stream":"stdout","time":"2025-10-07T18:22:49Z"}` + "\n" + `{"log":"b \"c`, []string{"a", `b "c`}},
		{"kubectl", "kubectl --prefix, timestamps of docker logs -t", "[pod/backend-7d9f/web] 2025-10-07T18:22:49.123456789Z a\n[pod/backend-7d9f/web] 2025-10-07T18:22:49.123456789Z \n", []string{"a", ""}},
		{"docker -t, and PostgreSQL's own time", "timestamps of docker logs -t", "2025-10-07T18:22:49.123456789Z 2025-10-07 18:22:49.123 UTC [71] LOG:  a\n2025-10-07T18:22:49.123456790Z 07/Oct/2025 18:22:49: b\n", []string{"2025-10-07 18:22:49.123 UTC [71] LOG:  a", "07/Oct/2025 18:22:49: b"}},
		{"a host of syslog that is an address", "syslog", "2025-10-07T18:22:49.123456789Z 10-07-20-25 postgres[71]: a\n", []string{"a"}},
		{"psql", "", " id | name\n----+------\n  1 | a\n", []string{" id | name", "----+------", "  1 | a"}},
		{"levels before a bar", "", "INFO     | a\nERROR    | b\n", []string{"INFO     | a", "ERROR    | b"}},
		{"a program with microseconds", "", "2025-10-07T18:22:49.123456Z  INFO app: a\n", []string{"2025-10-07T18:22:49.123456Z  INFO app: a"}},
		{"Docker Desktop", "Docker Desktop", "2025-09-15 16:18:41.928 | 2025-09-15 20:18:41,927 - app.x - INFO - a\n2025-09-15 16:18:41.929 | {\n2025-09-15 16:18:41.929 | \n", []string{"2025-09-15 20:18:41,927 - app.x - INFO - a", "{", ""}},
		{"loguru", "", "2025-09-15 16:18:41.928 | INFO     | app:main:7 - a\n", []string{"2025-09-15 16:18:41.928 | INFO     | app:main:7 - a"}},
		{"compose -t", "docker compose, timestamps of docker logs -t", "\x1b[36mbackend-1   |\x1b[0m 2025-10-07T18:22:49.123456789Z a\npostgres-1  | 2025-10-07T18:22:49.123456789Z b\n", []string{"a", "b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			source := found(t, test.text)
			if source.Wrapper != test.wrapper {
				t.Errorf("wrapper %q, want %q", source.Wrapper, test.wrapper)
			}
			if got := textOf(t, source); !slices.Equal(got, test.want) {
				t.Errorf("lines %q, want %q", got, test.want)
			}
		})
	}
}

// TestDockerCutsAt16KiB: Docker reads 16 KiB of a line at a time and does not look for characters, so the
// two halves of one are U+FFFD in its JSON.
func TestDockerCutsAt16KiB(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 16<<10-1) + "é" + strings.Repeat("y", 16<<10) + "end"
	var text strings.Builder
	for rest := long + "\n"; rest != ""; {
		n := min(len(rest), 16<<10)
		b, err := json.Marshal(map[string]string{"log": rest[:n], "stream": "stderr", "time": "2025-10-07T18:22:49.123456789Z"})
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(string(b) + "\n")
		rest = rest[n:]
	}
	source := found(t, text.String())
	want := strings.ToValidUTF8(long[:16<<10], "\uFFFD") + strings.ToValidUTF8(long[16<<10:32<<10], "\uFFFD") + long[32<<10:]
	texts, marks := marked(t, source)
	if len(texts) != 1 || texts[0] != want || marks[0] != Replaced {
		t.Errorf("%d lines, %v", len(texts), marks)
	}
}

func TestOuter(t *testing.T) {
	t.Parallel()
	at := func(text string) Stamp { stamp, _ := ParseStamp([]byte(text)); return stamp }
	tests := []struct {
		text string
		want Outer
	}{
		{`{"log":"a\n","stream":"stderr","time":"2025-10-07T18:22:49.123456789Z"}`, Outer{Stamp: at("2025-10-07T18:22:49.123456789Z"), Stream: "stderr"}},
		{"2025-10-07T18:22:49.123456789+02:00 stdout F a", Outer{Stamp: at("2025-10-07T16:22:49.123456789Z"), Stream: "stdout"}},
		{
			`{"_PID":"71","PRIORITY":"3","CONTAINER_NAME":"db","SYSLOG_IDENTIFIER":"dockerd","_SOURCE_REALTIME_TIMESTAMP":"1759861369000001","__REALTIME_TIMESTAMP":"1759861369123456","MESSAGE":"a"}`,
			Outer{Stamp: at("2025-10-07 18:22:49.000001 UTC"), Container: "db", Priority: 4, PID: 71},
		},
		{"2025-09-15 16:18:41.928 | a", Outer{Stamp: at("2025-09-15 16:18:41.928")}},
		{"web-1  | a", Outer{Container: "web-1"}},
		{"[pod/backend-7d9f/web] a", Outer{Container: "backend-7d9f/web"}},
		{"2025-10-07T18:22:49.123456789Z a", Outer{Stamp: at("2025-10-07T18:22:49.123456789Z")}},
	}
	for _, test := range tests {
		source := found(t, test.text+"\n")
		for line, err := range source.Lines(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			if line.Outer != test.want || string(line.Text) != "a" || line.Marks != 0 {
				t.Errorf("%s: %+v, %q, %v; want %+v", test.text, line.Outer, line.Text, line.Marks, test.want)
			}
		}
	}
}

// TestJournaldLeavesOut: a message that journalctl found too long is null.
func TestJournaldLeavesOut(t *testing.T) {
	t.Parallel()
	source := found(t, `{"MESSAGE":null,"__REALTIME_TIMESTAMP":"1759861369123456"}`+"\n"+`{"MESSAGE":["a","b"],"__REALTIME_TIMESTAMP":"1759861369123456"}`+"\n")
	texts, marks := marked(t, source)
	if !slices.Equal(texts, []string{"", "a", "b"}) || !slices.Equal(marks, []Marks{Cut, 0, 0}) {
		t.Errorf("%q, %v", texts, marks)
	}
	if gaps := source.Gaps(); len(gaps) != 1 || !strings.Contains(gaps[0].Consequence, "--all") {
		t.Error(gaps)
	}
}
