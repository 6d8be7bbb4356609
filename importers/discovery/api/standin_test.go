package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// standIn answers as the application's server does, and keeps what it stores in memory.
type standIn struct {
	t        testing.TB
	mu       sync.Mutex
	imports  []storedImport
	requests []string // method, path and query
	lists    bool     // it has the endpoint that lists all imports
	latest   bool     // it has the endpoint that tells of the latest one
	token    string   // that it wants
	mischief func(w http.ResponseWriter, r *http.Request, handle func()) bool
}

// storedImport is a row of data_imports with its raw records.
type storedImport struct {
	id, filename, kind string
	size               int64
	upload             string
	rows               []json.RawMessage
	body               string
	lost               int // rows that are gone
}

const (
	clientID     = "11111111-1111-1111-1111-111111111111"
	engagementID = "22222222-2222-2222-2222-222222222222"
	userID       = "33333333-3333-3333-3333-333333333333"
	secret       = "s3cr3t-token/with+signs"
)

func newStandIn(t testing.TB) (*standIn, *httptest.Server) {
	s := &standIn{t: t, lists: true, latest: true, token: secret}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	s.mu.Unlock()
	handle := func() { s.handle(w, r) }
	if s.mischief == nil || !s.mischief(w, r, handle) {
		handle()
	}
}

// seen are the requests so far. A handler may be at work yet when its client has given up.
func (s *standIn) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *standIn) handle(w http.ResponseWriter, r *http.Request) {
	if s.token != "" && r.Header.Get("Authorization") != "Bearer "+s.token {
		reply(w, http.StatusUnauthorized, map[string]any{"detail": "not with " + r.Header.Get("Authorization")})
		return
	}
	for name, want := range map[string]string{"X-Client-Account-ID": clientID, "X-Engagement-ID": engagementID, "X-User-ID": userID} {
		if got := r.Header.Get(name); got != want {
			s.t.Errorf("%s %s: header %s is %q, want %q", r.Method, r.URL.Path, name, got, want)
		}
	}
	switch path := r.URL.Path; {
	case r.Method == http.MethodPost && path == "/api/v1/data-import/store-import":
		s.store(w, r)
	case r.Method == http.MethodGet && path == "/api/v1/data-import/imports" && s.lists:
		s.list(w, r)
	case r.Method == http.MethodGet && path == "/api/v1/data-import/latest-import" && s.latest:
		s.tellLatest(w)
	case r.Method == http.MethodGet && len(path) > 27 && path[:27] == "/api/v1/data-import/import/":
		s.tell(w, path[27:])
	default:
		reply(w, http.StatusNotFound, map[string]any{"detail": "Not Found"})
	}
}

// body is the body of a request, with every name that it may have.
type body struct {
	FileData []json.RawMessage `json:"file_data"`
	Metadata struct {
		Filename string `json:"filename"`
		Size     int64  `json:"size"`
		Type     string `json:"type"`
	} `json:"metadata"`
	UploadContext struct {
		IntendedType       string `json:"intended_type"`
		ValidationUploadID string `json:"validation_upload_id"`
		UploadTimestamp    string `json:"upload_timestamp"`
	} `json:"upload_context"`
	ClientID     string `json:"client_id"`
	EngagementID string `json:"engagement_id"`
}

func (s *standIn) store(w http.ResponseWriter, r *http.Request) {
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		s.t.Errorf("Content-Type is %q", got)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away; nothing is stored
	}
	if int64(len(text)) != r.ContentLength {
		s.t.Errorf("the body has %d bytes, and Content-Length is %d", len(text), r.ContentLength)
	}
	var b body
	if err := json.Unmarshal(text, &b); err != nil {
		s.t.Errorf("the body is no JSON: %v: %.300s", err, text)
		reply(w, http.StatusUnprocessableEntity, map[string]any{"detail": err.Error()})
		return
	}
	kept := b.FileData[:0:0]
	for _, row := range b.FileData {
		var names map[string]json.RawMessage
		if err := json.Unmarshal(row, &names); err != nil {
			s.t.Errorf("row %s: %v", row, err)
		}
		if _, dropped := names["null"]; !dropped {
			kept = append(kept, row)
		}
	}
	b.FileData = kept
	s.mu.Lock()
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", len(s.imports)+1)
	s.imports = append(s.imports, storedImport{
		id: id, filename: b.Metadata.Filename, kind: b.UploadContext.IntendedType, size: b.Metadata.Size,
		upload: b.UploadContext.ValidationUploadID, rows: b.FileData, body: string(text),
	})
	s.mu.Unlock()
	reply(w, http.StatusOK, map[string]any{
		"success": true, "data_import_id": id, "import_flow_id": id, "flow_id": "f" + id[1:],
		"message": "Data imported and discovery flow initiated successfully.", "records_stored": len(b.FileData), "progress_percentage": nil,
	})
}

func (s *standIn) list(w http.ResponseWriter, r *http.Request) {
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []map[string]any{}
	for i := offset; i < len(s.imports) && len(list) < limit; i++ {
		imp := s.imports[i]
		list = append(list, map[string]any{
			"id": imp.id, "import_name": imp.filename + " Import", "import_type": imp.kind, "status": "processing", "total_records": len(imp.rows),
		})
	}
	reply(w, http.StatusOK, map[string]any{"imports": list, "context": map[string]any{"client_account_id": clientID}})
}

func (s *standIn) metadata(imp storedImport) map[string]any {
	return map[string]any{
		"import_id": imp.id, "filename": imp.filename, "import_type": imp.kind, "status": "processing",
		"record_count": len(imp.rows), "total_records": len(shown(imp)), "master_flow_id": "f" + imp.id[1:],
	}
}

// shown are the rows that the server gives: 1000 at most.
func shown(imp storedImport) []json.RawMessage { return imp.rows[:min(len(imp.rows)-imp.lost, 1000)] }

// put stores an import as if somebody else had sent it.
func (s *standIn) put(filename string, rows []json.RawMessage) {
	s.imports = append(s.imports, storedImport{id: fmt.Sprintf("99999999-0000-4000-8000-%012d", len(s.imports)), filename: filename, kind: "cmdb", rows: rows})
}

// rows are those of servers, as another program would write them.
func rows(n int) []json.RawMessage {
	var list []json.RawMessage
	for i := 1; i <= n; i++ {
		text := fmt.Sprintf(`{"Memory <GB>":9007199254740993,"row_index":%d,"Name":"srv-%d\té"`, i, i)
		if i%2 == 1 {
			text += `,"tags":["a",1.1]`
		}
		list = append(list, json.RawMessage(text+"}"))
	}
	return list
}

func (s *standIn) tellLatest(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.imports) == 0 {
		reply(w, http.StatusOK, map[string]any{
			"success": true, "message": "No import data available yet", "data": []any{},
			"import_metadata": map[string]any{"filename": nil, "total_records": 0, "import_id": nil, "no_imports_exist": true},
		})
		return
	}
	imp := s.imports[len(s.imports)-1]
	reply(w, http.StatusOK, map[string]any{"success": true, "data": shown(imp), "import_metadata": s.metadata(imp)})
}

func (s *standIn) tell(w http.ResponseWriter, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, imp := range s.imports {
		if imp.id == id {
			reply(w, http.StatusOK, map[string]any{"success": true, "data_import_id": id, "data": shown(imp), "import_metadata": s.metadata(imp)})
			return
		}
	}
	reply(w, http.StatusNotFound, map[string]any{"detail": "Data import not found"})
}

func reply(w http.ResponseWriter, code int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		code, text = http.StatusInternalServerError, []byte(err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(code)
	_, _ = w.Write(text)
}
