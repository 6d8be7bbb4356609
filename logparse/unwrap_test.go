package logparse

import (
	"slices"
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
