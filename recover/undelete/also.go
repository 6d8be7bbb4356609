package undelete

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// furtherCopy is another copy of the cluster's data directory: a base backup, a
// standby's directory, a snapshot of the file system. Its pages are older or newer
// than those at hand.
type furtherCopy struct {
	dir       string
	trail     *evidence.Trail
	checksums bool
	// complete: all changes before it are in the copy's files; 0: nothing says so.
	complete pg.LSN
	// backupEnd is where the backup ended that the copy is; InvalidLSN, 0, when it is
	// no backup, unknownEnd when nothing says it. Until then pages may have been copied
	// in the middle of a write.
	backupEnd pg.LSN
	// fork is where the copy's timeline parts from that of the WAL at hand: its
	// pages are of the same history up to there; 0: on one timeline.
	fork pg.LSN
}

const unknownEnd = ^pg.LSN(0)

// mostCopies bounds the further copies: a ledger line holds the number of its own in a byte.
const mostCopies = 250

// openAlso takes further copies in. Each must be of the cluster of the other evidence.
func (o *opener) openAlso() error {
	if len(o.sources.Also) > mostCopies {
		return &evidence.Error{Op: o.ev.op("open further copies"), Err: fmt.Errorf("there are %d, and %d at most", len(o.sources.Also), mostCopies)}
	}
	for _, dir := range o.sources.Also {
		if _, err := os.ReadDir(dir); err != nil {
			return &evidence.Error{
				Op: o.ev.op("open further copy"), Place: dir, Err: err, Hint: "--also takes a data directory, or a base backup that was unpacked",
			}
		}
		control, err := catalog.ReadControl(heap.DataDir{Path: dir, Trail: o.sources.Trail})
		if _, failed := catalog.ReadVersion(heap.DataDir{Path: dir}); err != nil && errors.Is(failed, fs.ErrNotExist) {
			return &evidence.Error{
				Op: o.ev.op("open further copy"), Place: dir, Err: fmt.Errorf("it is no data directory: %w", failed),
				Hint: "--also takes a data directory, or a base backup that was unpacked",
			}
		}
		if err != nil {
			return &evidence.Error{
				Op: o.ev.op("open further copy"), Place: dir, Err: fmt.Errorf("%w: nothing says of which one this is: %w", ErrOtherCluster, err),
				Hint: "its pages are believed only when its pg_control shows that it is of the same cluster",
			}
		}
		if known := o.systemIdentifier(); known != 0 && known != control.SystemIdentifier {
			return &evidence.Error{
				Op: o.ev.op("open further copy"), Place: dir,
				Err:  fmt.Errorf("%w: the copy has system identifier %d, the other evidence %d", ErrOtherCluster, control.SystemIdentifier, known),
				Hint: "give a copy of the same cluster",
			}
		}
		c := &furtherCopy{dir: dir, trail: o.sources.Trail, checksums: control.Checksums}
		if control.CleanShutdown {
			c.complete = control.Redo
		}
		c.readBackup()
		if !o.placeOnTimeline(c, control.Timeline) {
			o.gap(dir, "further copy", fmt.Sprintf("it is on timeline %d, and where that parted from the WAL at hand is not known", control.Timeline), "its pages are not used")
			continue
		}
		o.ev.also = append(o.ev.also, c)
	}
	return nil
}

// systemIdentifier is that of the evidence at hand; 0 if none says.
func (o *opener) systemIdentifier() uint64 {
	switch {
	case o.control != nil:
		return o.control.SystemIdentifier
	case o.ev.Archive != nil:
		return o.ev.Archive.SystemIdentifier()
	case o.ev.Snapshot != nil:
		return o.ev.Snapshot.SystemIdentifier
	}
	return 0
}

// readBackup learns from backup_label where a base backup began, and from its
// manifest where it ended. Everything before the begin is in its files, since a backup
// begins with a checkpoint (do_pg_backup_start in xlog.c).
func (c *furtherCopy) readBackup() {
	label, err := c.trail.Open(filepath.Join(c.dir, "backup_label"), evidence.KindBackup)
	if err != nil {
		return
	}
	defer label.Close()
	c.complete, c.backupEnd = 0, unknownEnd
	lines := bufio.NewScanner(label)
	for lines.Scan() {
		if rest, found := strings.CutPrefix(lines.Text(), "START WAL LOCATION: "); found {
			place, _, _ := strings.Cut(rest, " ")
			if begin, err := pg.ParseLSN(place); err == nil {
				c.complete = begin
			}
		}
	}
	if end, found := c.manifestEnd(); found {
		c.backupEnd = end
	}
}

// manifestEnd reads the end of the WAL that a backup needs (WAL-Ranges of its manifest).
func (c *furtherCopy) manifestEnd() (end pg.LSN, found bool) {
	f, err := c.trail.Open(filepath.Join(c.dir, "backup_manifest"), evidence.KindBackup)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	var manifest struct {
		Ranges []struct {
			End string `json:"End-LSN"`
		} `json:"WAL-Ranges"`
	}
	if json.NewDecoder(bufio.NewReader(f)).Decode(&manifest) != nil {
		return 0, false
	}
	for _, r := range manifest.Ranges {
		if to, err := pg.ParseLSN(r.End); err == nil {
			end, found = max(end, to), true
		}
	}
	return end, found
}

// placeOnTimeline finds out up to where a copy shares the history of the WAL at hand:
// the history file of the WAL's timeline says it.
func (o *opener) placeOnTimeline(c *furtherCopy, timeline pg.TimelineID) bool {
	ours := pg.TimelineID(0)
	switch {
	case o.ev.Archive != nil:
		ours = o.ev.Archive.Timeline()
	case o.control != nil:
		ours = o.control.Timeline
	}
	if ours == 0 || ours == timeline {
		return true
	}
	if o.ev.Archive == nil || timeline > ours {
		return false
	}
	var known bool
	c.fork, known = o.ev.Archive.LeavesTimeline(timeline)
	return known
}

// errOtherHistory tells that a page is younger than the point where its copy parted.
var errOtherHistory = errors.New("the page is of another timeline's history")

// ofHistory reports whether a page is of the history of the WAL at hand.
func (c *furtherCopy) ofHistory(h heap.PageHeader) bool { return c.fork == 0 || h.LSN <= c.fork }

// readPage reads a page of the copy and checks what can be checked of it.
func (c *furtherCopy) readPage(rel *heap.Relation, block pg.BlockNumber, buffer heap.Page) (heap.PageHeader, error) {
	if err := rel.ReadPage(block, buffer); err != nil {
		return heap.PageHeader{}, err
	}
	h, err := buffer.Header()
	switch {
	case err != nil:
	case c.checksums && !heap.VerifyChecksum(buffer, block):
		err = errChecksum
	case !c.ofHistory(h):
		err = errOtherHistory
	}
	return h, err
}

// dataDir is where its files lie.
func (c *furtherCopy) dataDir() heap.DataDir { return heap.DataDir{Path: c.dir, Trail: c.trail} }

// whole reports whether a page that stood so before a place of the WAL cannot have
// been copied in the middle of a write: it has a checksum that fits, or its copy is no
// running backup, or the backup ended before, so that the WAL has an image of every
// page that was written while it ran.
func (c *furtherCopy) whole(before pg.LSN) bool { return c.checksums || c.backupEnd <= before }

// base reports whether a page may be what replay begins from: all records that
// changed it since are at hand, as the replay begins at start.
func (c *furtherCopy) base(h heap.PageHeader, start, before pg.LSN) bool {
	return (h.LSN >= start || c.complete >= start) && c.whole(before)
}
