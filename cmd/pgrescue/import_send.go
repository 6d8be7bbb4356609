package main

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/importers/discovery/api"
)

// send brings the lists to the application's own endpoint. Without --apply nothing is sent.
func (r *importRun) send(ctx context.Context) error {
	if err := r.readThrough(); err != nil {
		return err
	}
	if !r.options.apply {
		return nil
	}
	if err := r.beginReceipts(); err != nil {
		return err
	}
	for _, made := range r.made {
		if made.empty != nil {
			continue
		}
		if err := r.sendOne(ctx, made); err != nil {
			return apiError(err)
		}
	}
	r.out.Did, r.out.Tables = importers.OutcomeSent, nil
	return nil
}

// sendOne sends one list.
func (r *importRun) sendOne(ctx context.Context, made *importMade) error {
	progress := r.terminal.ProgressOf(0, "requests", "sending "+made.Head().Source.Name)
	defer progress.End()
	client := api.Client{
		BaseURL: r.options.url, Batch: r.options.batch, Plain: r.options.plain, Ask: api.Ask(r.options.ask),
		Tenant: made.tenantIDs,
		Token:  func() string { return os.Getenv(r.options.tokenEnv) },
		Step: func(step api.Step) {
			progress.Begin(int64(step.Parts), step.What)
			progress.Set(int64(step.Part - 1))
			if step.Why != "" {
				r.terminal.Infof("%s: %s", step.What, step.Why)
			}
		},
	}
	if r.options.ask == "all" {
		client.Ask = api.AskAll
	}
	store := discovery.AsMapped
	if made.options.asApp {
		store = discovery.AsApp
	}
	summary := made.discovered.Summary()
	result, err := client.Send(ctx, api.Import{
		ID: summary.IDs.Import.String(), Filename: summary.Filename, Size: made.Head().Source.Length, Type: mediaType(made), Category: summary.Category,
		Head: made.Head(), Store: store, Rejects: made.trouble.put,
		Records: made.watch.Records(ctx, func(*importers.Reject) error { return nil }), // they were heard of before
	})
	if result != nil {
		made.sent = result.Parts
	}
	return err
}

// mediaType is what a browser calls a file.
func mediaType(made *importMade) string {
	if made.request != nil && made.request.Type != "" {
		return made.request.Type
	}
	switch made.Head().Source.Format {
	case importers.FormatXLSX:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case importers.FormatJSON:
		return "application/json"
	}
	return "text/csv"
}

// confirmHost asks for the host that records are about to be sent to.
func (r *importRun) confirmHost() error {
	place, err := url.Parse(r.options.url)
	if err != nil || place.Hostname() == "" {
		return exitcode.Usagef("such as http://backend:8000", "--url %q is no address", r.options.url)
	}
	return confirmName(r.terminal, "import", r.options.confirm, place.Hostname(), "host")
}

// apiError marks an error of sending with its exit code.
func apiError(err error) error {
	return withMeaning(err, []meaning{
		{api.ErrDenied, exitcode.Permission},
		{api.ErrAddress, exitcode.Usage},
		{api.ErrCannotAsk, exitcode.Refused},
		{api.ErrInDoubt, exitcode.Failed},
		{api.ErrRefused, exitcode.Failed},
	})
}

// sentReceipt tells where the application is, and the ids that it gave. Which rows it made is
// its own affair.
func (r *importRun) sentReceipt(receipt *importers.Receipt, made *importMade) {
	if place, err := url.Parse(r.options.url); err == nil {
		receipt.Target = importers.ReceiptTarget{Place: place.Scheme + "://" + place.Host}
	}
	first := made.sent[0] // with --api-batch there are more, each an import of its own
	receipt.Known = nil
	if first.ImportID != "" {
		receipt.IDs = map[string]string{"import": first.ImportID}
		if first.FlowID != "" {
			receipt.IDs["flow"] = first.FlowID
		}
	}
}

// sentNotes says what became of the requests of a list.
func (m *importMade) sentNotes() []string {
	var notes []string
	for i := range m.sent {
		part := &m.sent[i]
		what := "sent"
		if part.There {
			what = "there already, so nothing was sent"
		}
		note := fmt.Sprintf("%s: %s, %s, import %s, flow %s", part.Filename, what, term.Plural(part.Stored, "record", "records"), part.ImportID, part.FlowID)
		if part.Note != "" {
			note += "; " + part.Note
		}
		notes = append(notes, note)
	}
	return notes
}
