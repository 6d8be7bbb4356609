package jsonfile

import (
	"strconv"
)

// Request is what a document says of the import that its list was sent by, or kept of.
type Request struct {
	Session       bool   // a file of a validation session; otherwise the body of a request
	Filename      string // the source file's name
	Size          int64  // of the source file, in bytes; 0: not said
	Type          string // such as text/csv
	Category      string // intended_type of a request, category of a session
	ClientAccount string
	Engagement    string
	User          string // who uploaded it, as a session knows
	Uploaded      string // when, as it is written there
	Records       int64  // how many it says there were; -1: not said
}

// request makes one of the texts beside a list, by their paths.
func request(list string, scalars map[string]string) *Request {
	first := func(paths ...string) string {
		for _, path := range paths {
			if scalars[path] != "" {
				return scalars[path]
			}
		}
		return ""
	}
	r := &Request{Records: -1}
	switch {
	case list == "file_data":
		r.Filename, r.Type = first("metadata.filename"), first("metadata.type")
		r.Size, _ = strconv.ParseInt(first("metadata.size"), 10, 64)
		r.Category, r.Uploaded = first("upload_context.intended_type"), first("upload_context.upload_timestamp")
		r.ClientAccount, r.Engagement = first("client_id", "client_account_id"), first("engagement_id")
	case list == "raw_data" && first("filename") != "":
		r.Session = true
		r.Filename, r.Type, r.Category = first("filename"), first("content_type"), first("category")
		r.User, r.Uploaded = first("uploaded_by"), first("uploaded_at")
		if mb, err := strconv.ParseFloat(first("size_mb"), 64); err == nil && mb >= 0 && mb < 1<<30 {
			r.Size = int64(mb*(1<<20) + 0.5)
		}
		if n, err := strconv.ParseInt(first("data_record_count"), 10, 64); err == nil {
			r.Records = n
		}
	default:
		return nil
	}
	return r
}
