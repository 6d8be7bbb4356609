package api

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/discovery"
)

// servers is an import of n records of three kinds of fields.
func servers(n int) Import {
	return Import{
		ID: "0b0789d0-7354-5378-98a8-0d6ab92a2a24", Filename: "servers \"2\".csv", Size: 4711, Type: "text/csv", Category: "cmdb",
		Head: &importers.Head{
			Source: &importers.Source{Path: "servers.json", Format: importers.FormatJSON}, Header: []string{"Name", "Memory <GB>", "tags"},
		},
		Store: discovery.AsMapped, Records: made(n),
	}
}

func made(n int) iter.Seq2[*importers.Record, error] {
	return func(yield func(*importers.Record, error) bool) {
		for i := 1; i <= n; i++ {
			record := importers.Record{Number: int64(i), Line: int64(i) + 1, Fields: []importers.Field{
				{Kind: importers.Text, Text: fmt.Appendf(nil, "srv-%d\té", i)},
				{Kind: importers.Number, Text: []byte("9007199254740993")},
				{Kind: importers.JSON, Text: []byte(`["a", 1.10]`)},
			}}
			if i%2 == 0 {
				record.Fields[2] = importers.Field{Kind: importers.Missing}
			}
			if !yield(&record, nil) {
				return
			}
		}
	}
}

func newClient(url string) *Client {
	return &Client{
		BaseURL: url, Tenant: discovery.Tenant{ClientAccount: uuid.MustParse(clientID), Engagement: uuid.MustParse(engagementID), User: uuid.MustParse(userID)}, Token: func() string { return secret },
		Now:  func() time.Time { return time.Date(2025, 10, 8, 10, 37, 29, 123456789, time.UTC) },
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	stand, server := newStandIn(t)
	client := newClient(server.URL)
	result, err := client.Send(context.Background(), servers(2))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"file_data":[{"Name": "srv-1\t\u00e9", "Memory <GB>": 9007199254740993, "tags": ["a", 1.1]},{"Name": "srv-2\t\u00e9", "Memory <GB>": 9007199254740993}],` +
		`"metadata":{"filename":"servers \"2\".csv","size":4711,"type":"text/csv"},` +
		`"upload_context":{"intended_type":"cmdb","validation_upload_id":"0b0789d0-7354-5378-98a8-0d6ab92a2a24","upload_timestamp":"2025-10-08T10:37:29.123Z"},` +
		`"client_id":"11111111-1111-1111-1111-111111111111","engagement_id":"22222222-2222-2222-2222-222222222222"}`
	if len(stand.imports) != 1 || stand.imports[0].body != want {
		t.Errorf("stored %+v\nwant %s", stand.imports, want)
	}
	if got := fmt.Sprintf("%+v", result.Parts); got != `[{Filename:servers "2".csv ImportID:00000000-0000-4000-8000-000000000001 FlowID:f0000000-0000-4000-8000-000000000001 Sent:2 Kept:2 Stored:2 There:false Attempts:1 Note:}]` {
		t.Errorf("got %s", got)
	}
	again, err := client.Send(context.Background(), servers(2))
	if err != nil || len(stand.imports) != 1 || !again.Parts[0].There || again.Parts[0].Attempts != 0 {
		t.Errorf("the second time: %+v, %v, %d imports", again, err, len(stand.imports))
	}
	if got := strings.Join(stand.seen(), "\n"); strings.Count(got, "POST") != 1 {
		t.Errorf("requests:\n%s", got)
	}
}
