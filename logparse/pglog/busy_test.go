//go:build unix

package pglog

import (
	"bytes"
	"testing"
)

// TestProcessesOneAfterTheOther: the numbers of processes that begin one after the other go on like those of lines, but
// a DETAIL has the number of its LOG.
func TestProcessesOneAfterTheOther(t *testing.T) {
	t.Parallel()
	if got := InferPrefix(bytes.Split(busyLog(1<<16), []byte("\n"))).String(); got != "%m [%p] %u@%d " {
		t.Errorf("the prefix is %q", got)
	}
}
