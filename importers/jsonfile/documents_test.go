package jsonfile

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
)

func TestRequestBody(t *testing.T) {
	t.Parallel()
	list, records, _ := read(t, `{"metadata":{"filename":"x.csv","size":3400,"type":"text/csv"},"file_data":[{"a":"1"},{"a":"2"}],`+
		`"upload_context":{"intended_type":"cmdb","validation_upload_id":"u","upload_timestamp":"2025-10-08T10:37:29.123Z"},`+
		`"client_id":"11111111-1111-1111-1111-111111111111","engagement_id":"22222222-2222-2222-2222-222222222222"}`, "")
	want := Request{
		Filename: "x.csv", Size: 3400, Type: "text/csv", Category: "cmdb", ClientAccount: "11111111-1111-1111-1111-111111111111",
		Engagement: "22222222-2222-2222-2222-222222222222", Uploaded: "2025-10-08T10:37:29.123Z", Records: -1,
	}
	if got := list.Request(); got == nil || *got != want || len(records) != 2 || list.Head().Part != "file_data" {
		t.Errorf("got %+v, %q", got, records)
	}
}

// TestValidationSession reads the file that the application kept of an upload.
func TestValidationSession(t *testing.T) {
	t.Parallel()
	src := &importers.Source{Path: filepath.Join("..", "..", "testdata", "sources", "validation_session_23rows.json"), Format: importers.FormatJSON}
	lists, err := Open(context.Background(), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	list := lists[0]
	want := Request{
		Session: true, Filename: "sample_servicenow_asset_export.csv", Size: 2811, Type: "text/csv", Category: "cmdb",
		User: "3ee1c326-a014-4a3c-a483-5cfcf1b419d7", Uploaded: "2025-06-20T20:17:53.790076", Records: 23,
	}
	if got := list.Request(); got == nil || *got != want {
		t.Errorf("the request is %+v", got)
	}
	head := list.Head()
	if got := strings.Join(head.Header, ","); got != "Name,CI Type,CI ID,Version/Hostname,IP Address,OS,CPU (Cores),RAM (GB),Storage (GB),Location,Owner,Environment,Status,Related CI" {
		t.Errorf("header %s", got)
	}
	if head.Part != "raw_data" || len(list.Gaps()) > 0 {
		t.Errorf("part %q, gaps %v", head.Part, list.Gaps())
	}
	for _, note := range head.Notes {
		if strings.Contains(note, "records") {
			t.Errorf("note %q", note)
		}
	}
	n, last := 0, ""
	for record, err := range list.Records(context.Background(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		last = shown(head.Header, record)
	}
	if n != 23 || !strings.Contains(last, "Owner=t:Anna Clark Environment=t:Development Status=t:Installed Related CI=t:APP0010") {
		t.Errorf("%d records, the last one %s", n, last)
	}
}

// TestSeveralDocuments are bodies of requests one after the other, as a log has them: each is an
// import of its own. Other objects with lists in them are records.
func TestSeveralDocuments(t *testing.T) {
	t.Parallel()
	body := func(name string, n int) string {
		return fmt.Sprintf(`{"file_data":[{"%s":"%d"}],"metadata":{"filename":"%s.csv"}}`, name, n, name)
	}
	lists, err := Open(context.Background(), written(t, body("a", 1)+"\n"+body("b", 2)+"\n{\"x\":1}\n"+body("c", 3)+"\n"), Options{})
	if err != nil || len(lists) != 3 {
		t.Fatalf("%d lists, %v", len(lists), err)
	}
	var got []string
	for _, l := range lists {
		for record, err := range l.Records(context.Background(), nil) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, l.Request().Filename+" "+l.Head().Part+" "+shown(l.Head().Header, record))
		}
	}
	want := "a.csv file_data 1@1/14 a=t:1|b.csv file_data of document 2 1@2/72 b=t:2|c.csv file_data of document 4 1@4/138 c=t:3"
	if strings.Join(got, "|") != want || len(lists[0].Gaps()) != 1 || !strings.Contains(lists[0].Gaps()[0].String(), " line 3, byte 116: document 3") {
		t.Errorf("got %q, gaps %v", got, lists[0].Gaps())
	}
	// A receipt names the part, which finds the same lists again.
	again, err := Open(context.Background(), lists[0].Head().Source, Options{Path: lists[2].Head().Part})
	if err != nil || len(again) != 3 || again[2].Head().Part != lists[2].Head().Part || again[1].Request().Filename != "b.csv" {
		t.Errorf("by its part: %d lists, %v", len(again), err)
	}
	list, records, _ := read(t, "{\"id\":1,\"items\":[{\"sku\":7}]}\n{\"id\":2,\"items\":[]}\n", "")
	if len(records) != 2 || strings.Join(list.Head().Header, ",") != "id,items" || len(list.Head().Notes) != 1 || !strings.Contains(list.Head().Notes[0], "--path items takes it") {
		t.Errorf("records %q, notes %q", records, list.Head().Notes)
	}
	lists, err = Open(context.Background(), written(t, "{\"id\":1,\"items\":[{\"sku\":7}]}\n{\"id\":2,\"items\":[]}\n"), Options{Path: "items"})
	if err != nil || len(lists) != 2 || strings.Join(lists[0].Head().Header, ",") != "sku" {
		t.Errorf("%d lists, %v", len(lists), err)
	}
}

// TestOneObject is what the server takes for a record: an object without a list that it knows.
func TestOneObject(t *testing.T) {
	t.Parallel()
	list, records, _ := read(t, ` {"a":1,"servers":[{"b":1},{"b":2}]} `, "")
	if len(records) != 1 || len(list.Head().Notes) != 1 || !strings.Contains(list.Head().Notes[0], "the list under servers (2 objects) is not taken; --path servers takes it") {
		t.Errorf("records %q, notes %q", records, list.Head().Notes)
	}
	list, records, _ = read(t, `{"v":{"one":{"a":1}},"w":2}`, "v.one")
	if strings.Join(records, "|") != "1@1/12 a=n:1" || len(list.Gaps()) > 0 {
		t.Errorf("by path: %q, gaps %v", records, list.Gaps())
	}
}

// TestTrailing tells of what stands behind a list, a document, or a cut session.
func TestTrailing(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`[{"a":1}] x`:          "what stands behind the end of the list",
		`{"data":[{"a":1}]} x`: "what stands behind the document",
		`{"raw_data":[{"a":1}],"agent_results":[{`: "the list raw_data is complete",
		`{"data":[{"a":1}],"next":}`:               "it is no JSON",
		`[{"a":1}`:                                 "the end of the list: the document ends before it",
		`{"data":[{"a":1},{"a":`:                   "the element that begins here: the document ends in it",
		`[{"a":1}] [{"a":2},`:                      "the end of the list: the document ends before it",
	} {
		list, records, _ := read(t, document, "")
		if gaps := list.Gaps(); len(records) == 0 || len(gaps) != 1 || !strings.Contains(gaps[0].String(), want) {
			t.Errorf("%s: records %q, gaps %v; want %q", document, records, gaps, want)
		}
	}
	list, records, rejects := read(t, `[ , {"a":1},,{"a":2} {"a":3},]`, "")
	if notes := strings.Join(list.Head().Notes, "|"); len(records) != 3 || len(rejects) > 0 || notes != "1 commas between objects are missing|3 commas stand where none may stand" {
		t.Errorf("commas: %q, %q, %q", records, rejects, notes)
	}
}

// TestTooManyNames is a table whose keys are values.
func TestTooManyNames(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteByte('[')
	for i := range maxNames + 1 {
		fmt.Fprintf(&b, `{"k%d":1},`, i)
	}
	b.WriteString("{}]")
	if _, err := Open(context.Background(), written(t, b.String()), Options{}); err == nil || !strings.Contains(err.Error(), "their names are values") {
		t.Errorf("got %v", err)
	}
}
