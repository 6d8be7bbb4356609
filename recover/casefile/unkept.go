package casefile

import (
	"context"
	"encoding/json"
)

// UnkeptRun is a run that left nothing in the case but its lines in the journal: it
// was interrupted, it failed, or it was refused.
type UnkeptRun struct {
	Command string   `json:"command"`
	Argv    []string `json:"argv"`
	Who     string   `json:"who"`
	Host    string   `json:"host"`
	Began   string   `json:"began"`
	// ExitCode is nil when the journal has no end of it: it was killed, or it still runs.
	ExitCode *int `json:"exit_code,omitempty"`
}

// UnkeptRuns lists them in the order in which they began.
func (c *Case) UnkeptRuns(ctx context.Context) ([]UnkeptRun, error) {
	if err := ctx.Err(); err != nil {
		return nil, c.fail(ctx, "read journal of", err)
	}
	var order []int64
	open := make(map[int64]*UnkeptRun)
	_, err := c.readJournal(func(n int64, text []byte, _ string) error {
		var line JournalLine
		if json.Unmarshal(text, &line) != nil {
			return nil // VerifyIntegrity tells of it
		}
		switch run := open[line.Of]; {
		case line.Event == EventBegin:
			open[n] = &UnkeptRun{Command: line.Command, Argv: line.Argv, Who: line.Who, Host: line.Host, Began: line.Time}
			order = append(order, n)
		case line.Event != EventEnd || run == nil:
		case line.Kept != nil && *line.Kept:
			delete(open, line.Of)
		default:
			run.ExitCode = line.ExitCode
		}
		return nil
	})
	if err != nil {
		return nil, c.fail(ctx, "read journal of", err)
	}
	var list []UnkeptRun
	for _, n := range order {
		if run := open[n]; run != nil {
			list = append(list, *run)
		}
	}
	return list, nil
}
