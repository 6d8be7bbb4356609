package logparse

import (
	"context"
	"runtime"
	"strings"
	"testing"
)

// TestLinesAllocateNothing reads many lines of every wrapper. What is allocated must not grow with them.
func TestLinesAllocateNothing(t *testing.T) {
	const lines, most = 20_000, 200
	for name, line := range map[string]string{
		"plain": oneLine + "\n", "emoji": "2025-10-07 18:22:49,123 - app - INFO - ✅ Stored 5 records\n",
		"docker":   `{"log":"a \"quoted\" <word>\n","stream":"stderr","time":"2025-10-07T18:22:49.123456789Z"}` + "\n",
		"journald": `{"__REALTIME_TIMESTAMP":"1759861369123456","PRIORITY":"6","SYSLOG_IDENTIFIER":"postgres","MESSAGE":"LOG:  a \"b\""}` + "\n",
		"CRI":      "2025-10-07T18:22:49.123456789Z stderr P a\n2025-10-07T18:22:49.123456789Z stderr F b\n",
		"desktop":  "2025-09-15 16:18:41.928 | 2025-09-15 20:18:41,927 - app - INFO - a\n", "compose": "web-1  | a\n", "kubectl": "[pod/a/b] c\n", "syslog": "Oct  7 18:22:49 db1 postgres[71]: [3-1] a\n",
	} {
		source := found(t, strings.Repeat(line, lines))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, err := range source.Lines(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		if n := after.Mallocs - before.Mallocs; n > most {
			t.Errorf("%s: %d allocations for %d lines", name, n, lines)
		}
	}
}
