package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// known is an import that the server has.
type known struct {
	id, filename, category, status, flow string
	total                                int64 // records; -1: not said
	rows                                 []json.RawMessage
	rowsKnown                            bool
}

// answers are all that the server says of the tenant's imports.
type answers struct {
	list     []known
	complete bool // otherwise only the latest is in it
}

// ids are the ids of all of them.
func (a *answers) ids() map[string]bool {
	ids := make(map[string]bool)
	for _, k := range a.list {
		ids[k.id] = true
	}
	return ids
}

// wire is an import as the server's endpoints write it.
type wire struct {
	ID          string `json:"id"`
	ImportID    string `json:"import_id"`
	ImportName  string `json:"import_name"`
	ImportType  string `json:"import_type"`
	Filename    string `json:"filename"`
	Source      string `json:"source_filename"`
	Status      string `json:"status"`
	Total       *int64 `json:"total_records"`
	RecordCount *int64 `json:"record_count"`
	MasterFlow  string `json:"master_flow_id"`
}

func (w wire) known() known {
	k := known{id: w.ID, filename: w.Filename, category: w.ImportType, status: w.Status, flow: w.MasterFlow, total: -1}
	if k.id == "" {
		k.id = w.ImportID
	}
	if k.filename == "" {
		k.filename = w.Source
	}
	const end = " Import" // the application names an import by its file
	if n := len(w.ImportName) - len(end); k.filename == "" && n > 0 && w.ImportName[n:] == end {
		k.filename = w.ImportName[:n]
	}
	switch {
	case w.RecordCount != nil: // total_records beside it counts what came back, at most 1000
		k.total = *w.RecordCount
	case w.Total != nil:
		k.total = *w.Total
	}
	return k
}

// get asks the server for something, and tries again while there is no answer.
func (s *session) get(ctx context.Context, p *part, query url.Values, path ...string) (int, []byte, error) {
	var last error
	for attempt := 0; ; attempt++ {
		code, text, after, err := s.getOnce(ctx, query, path...)
		switch {
		case ctx.Err() != nil:
			return 0, nil, ctx.Err()
		case err == nil && code != http.StatusTooManyRequests && code != http.StatusBadGateway && code != http.StatusServiceUnavailable && code != http.StatusGatewayTimeout:
			return code, text, nil
		case err == nil:
			err = fmt.Errorf("the server answers %d%s", code, said(text))
		case errors.Is(err, ErrAddress):
			return 0, nil, err
		}
		if last = err; attempt >= s.retries() {
			return 0, nil, last
		}
		s.step(p, attempt+1, "asking again", err.Error())
		if err := s.pause(ctx, attempt, after); err != nil {
			return 0, nil, err
		}
	}
}

// unanswered is the error of a question to which no answer came.
func (s *session) unanswered(p *part, err error) error {
	if errors.Is(err, ErrAddress) || errors.Is(err, context.Canceled) {
		return err
	}
	return s.problem(p, ErrCannotAsk, err, "run it again when the server can be reached")
}

// getOnce asks once, and goes on to another path of the same place when it is sent there.
func (s *session) getOnce(ctx context.Context, query url.Values, path ...string) (code int, text []byte, after time.Duration, err error) {
	inner, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	place := s.base.JoinPath(path...)
	place.RawQuery = query.Encode()
	for range maxRedirects + 1 {
		request, err := http.NewRequestWithContext(inner, http.MethodGet, place.String(), nil)
		if err != nil {
			return 0, nil, 0, err
		}
		s.headers(request)
		response, err := s.http.Do(request)
		if err != nil {
			if inner.Err() != nil && ctx.Err() == nil {
				err = fmt.Errorf("no answer within %v", askTimeout)
			}
			o := failed(ctx, err)
			if o.fate == final {
				return 0, nil, 0, s.problem(nil, o.kind, o.err, o.hint)
			}
			return 0, nil, 0, o.err
		}
		text, err = io.ReadAll(io.LimitReader(response.Body, maxKnown))
		_ = response.Body.Close()
		if response.StatusCode >= 300 && response.StatusCode < 400 {
			next, ok := within(response, place)
			if !ok {
				o := s.judge(response)
				return 0, nil, 0, s.problem(nil, o.kind, o.err, o.hint)
			}
			place = next
			continue
		}
		return response.StatusCode, text, retryAfter(response, s.now()), err
	}
	return 0, nil, 0, s.problem(nil, ErrAddress, errors.New("the server sends the question in circles"), "")
}

// page is how many imports are asked for at once.
const page = 100

// ask asks for the imports of the tenant: for all, or where the server does not tell, for the latest.
func (s *session) ask(ctx context.Context, p *part) (*answers, error) {
	var tried string
	if s.Ask == AskAll {
		all, why, err := s.askAll(ctx, p)
		if err != nil || all != nil {
			return all, err
		}
		tried = "; of all imports " + why
	}
	code, text, err := s.get(ctx, p, nil, "data-import", "latest-import")
	if err != nil {
		return nil, s.unanswered(p, err)
	}
	var body struct {
		Success  *bool             `json:"success"`
		Message  string            `json:"message"`
		Data     []json.RawMessage `json:"data"`
		Metadata *wire             `json:"import_metadata"`
	}
	switch {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return nil, s.problem(p, ErrDenied, fmt.Errorf("the server answers %d%s", code, said(text)), "")
	case code != http.StatusOK || json.Unmarshal(text, &body) != nil || body.Success == nil || !*body.Success:
		return nil, s.problem(p, ErrCannotAsk, fmt.Errorf("of its latest import the server says %d%s%s", code, said(text), tried),
			"--api-ask none sends without asking, and then never twice")
	}
	a := &answers{}
	if body.Metadata == nil || body.Metadata.known().id == "" {
		a.complete = true // there is none
		return a, nil
	}
	k := body.Metadata.known()
	k.rows, k.rowsKnown = body.Data, true
	a.list = []known{k}
	return a, nil
}

// askAll pages through the list of the tenant's imports. Without an error and a list, why says
// what the server says instead.
func (s *session) askAll(ctx context.Context, p *part) (a *answers, why string, err error) {
	a = &answers{complete: true}
	seen := make(map[string]bool)
	for offset := 0; ; offset += page {
		query := url.Values{"limit": {strconv.Itoa(page)}, "offset": {strconv.Itoa(offset)}}
		code, text, err := s.get(ctx, p, query, "data-import", "imports")
		if err != nil {
			return nil, "", s.unanswered(p, err)
		}
		var body struct {
			Imports []wire `json:"imports"`
		}
		switch {
		case code == http.StatusUnauthorized || code == http.StatusForbidden:
			return nil, "", s.problem(p, ErrDenied, fmt.Errorf("the server answers %d%s", code, said(text)), "")
		case code != http.StatusOK || json.Unmarshal(text, &body) != nil || body.Imports == nil:
			return nil, fmt.Sprintf("it says %d%s", code, said(text)), nil
		}
		fresh := 0
		for _, w := range body.Imports {
			if k := w.known(); k.id != "" && !seen[k.id] {
				seen[k.id] = true
				fresh++
				a.list = append(a.list, k)
			}
		}
		if len(body.Imports) < page || fresh == 0 {
			return a, "", nil
		}
	}
}

// rowsOf asks for the rows of an import, of which the server gives at most 1000.
func (s *session) rowsOf(ctx context.Context, p *part, k *known) error {
	if k.rowsKnown {
		return nil
	}
	code, text, err := s.get(ctx, p, nil, "data-import", "import", k.id)
	if err != nil {
		return s.unanswered(p, err)
	}
	var body struct {
		Data     []json.RawMessage `json:"data"`
		Metadata *wire             `json:"import_metadata"`
	}
	if code == http.StatusOK && json.Unmarshal(text, &body) == nil && body.Data != nil {
		k.rows, k.rowsKnown = body.Data, true
		if body.Metadata != nil && k.flow == "" {
			k.flow = body.Metadata.MasterFlow
		}
	}
	return nil
}
