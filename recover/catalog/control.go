package catalog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Control is what pg_control holds (ControlFileData in catalog/pg_control.h).
type Control struct {
	ControlState
	SystemIdentifier uint64
	ControlVersion   uint32 // pg_control_version
	CatalogVersion   uint32 // catalog_version_no
	Updated          time.Time
	CheckpointTime   time.Time
	OldestXID        pg.XID // every older transaction is frozen
	NextOID          pg.OID
	NextMultiXact    pg.XID
	MinRecoveryPoint pg.LSN // zero unless in archive recovery
	WALLogHints      bool
}

// Sizes and places in pg_control.
const (
	controlReadSize    = 512 // PG_CONTROL_MAX_SAFE_SIZE: all that counts is in one sector
	floatFormatValue   = 1234567.0
	walBlockSize       = pg.BlockSize
	expectedRelSegSize = pg.SegmentBlocks
)

// ReadControl reads and checks global/pg_control of a data directory. When
// it is missing, damaged or of an unknown format, the error says so; the
// catalogs can be read without it.
func ReadControl(dir heap.DataDir) (*Control, error) {
	path := filepath.Join(dir.Path, "global", "pg_control")
	raw, err := readHead(dir.Trail, path, evidence.KindControl, controlReadSize)
	if err == nil {
		var c *Control
		if c, err = DecodeControl(raw); err == nil {
			return c, nil
		}
	}
	return nil, &evidence.Error{
		Op: "catalog: read control file", Place: path, Err: err,
		Hint: "without it the redo point, the system identifier and whether pages carry checksums are not known",
	}
}

// readHead reads at most size bytes from the start of a file.
func readHead(trail *evidence.Trail, path string, kind evidence.Kind, size int64) ([]byte, error) {
	f, err := trail.Open(path, kind)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, size))
}

// DecodeControl decodes the bytes of pg_control and checks their CRC. Only
// formats that are known are decoded.
func DecodeControl(raw []byte) (*Control, error) {
	r := binreader.New(raw)
	c := &Control{SystemIdentifier: r.Uint64(), ControlVersion: r.Uint32(), CatalogVersion: r.Uint32()}
	if !r.OK() {
		return nil, fmt.Errorf("file is cut short: %w", r.Err())
	}
	format, known := controlFormatOf(c.ControlVersion)
	if !known {
		return nil, fmt.Errorf("pg_control version %d is not supported", c.ControlVersion)
	}
	decodeControlBody(&r, c, format)
	end := r.Offset()
	sum := r.Uint32()
	if !r.OK() {
		return nil, fmt.Errorf("file is cut short: %w", r.Err())
	}
	whole := binreader.New(raw)
	if got := crc32.Checksum(whole.Bytes(end), crc32.MakeTable(crc32.Castagnoli)); got != sum {
		return nil, fmt.Errorf("bad CRC: stored %08X, computed %08X", sum, got)
	}
	return c, checkControl(raw, end-format.tail())
}

// controlFormat is what differs between the versions of pg_control.
type controlFormat struct {
	version        uint32 // PG_CONTROL_VERSION in catalog/pg_control.h
	float4ByVal    bool   // a flag before float8ByVal
	charSignedness bool   // a flag behind data_checksum_version
}

// controlFormats is the table of the formats, from catalog/pg_control.h of 12,
// 13 to 16, 17, and 18. What 17 added, wal_level of the checkpoint, lies where
// padding was before.
func controlFormats() []controlFormat {
	return []controlFormat{
		{version: 1201, float4ByVal: true},
		{version: 1300},
		{version: 1700},
		{version: 1800, charSignedness: true},
	}
}

func controlFormatOf(version uint32) (controlFormat, bool) {
	for _, f := range controlFormats() {
		if f.version == version {
			return f, true
		}
	}
	return controlFormat{}, false
}

// tail is how many bytes more than in format 1300 lie between maxAlign and the CRC.
func (f controlFormat) tail() int {
	if f.charSignedness {
		return 4 // with padding
	}
	return 0 // float4ByVal takes what is padding otherwise
}

// decodeControlBody reads what lies behind the version numbers, up to the CRC.
func decodeControlBody(r *binreader.Reader, c *Control, format controlFormat) {
	state := r.Uint32()
	r.Align(8)
	c.State, c.CleanShutdown = stateName(state), state == stateShutDown || state == stateShutDownInRecovery
	c.Updated = time.Unix(r.Int64(), 0).UTC()
	c.Checkpoint = pg.LSN(r.Uint64())
	decodeControlCheckpoint(r, c)
	r.Skip(8) // unloggedLSN
	c.MinRecoveryPoint = pg.LSN(r.Uint64())
	r.Skip(4) // minRecoveryPointTLI
	r.Align(8)
	r.Skip(8 + 8 + 1) // backupStartPoint, backupEndPoint, backupEndRequired
	r.Align(4)
	c.WALLevel = walLevelName(r.Uint32())
	c.WALLogHints = r.Uint8() != 0
	r.Align(4)
	r.Skip(5 * 4) // MaxConnections to max_locks_per_xact
	r.Skip(1)     // track_commit_timestamp
	r.Align(4)
	r.Skip(4 + 8 + 4 + 4 + 4) // maxAlign, floatFormat, blcksz, relseg_size, xlog_blcksz: see checkControl
	c.SegmentSize = r.Uint32()
	r.Skip(4 * 4) // nameDataLen to loblksize
	if format.float4ByVal {
		r.Skip(1)
	}
	r.Skip(1) // float8ByVal
	r.Align(4)
	c.Checksums = r.Uint32() != 0
	if format.charSignedness {
		r.Skip(1)
	}
	r.Skip(32) // mock_authentication_nonce
	r.Align(4)
}

// decodeControlCheckpoint reads the copy of the last checkpoint record (CheckPoint).
func decodeControlCheckpoint(r *binreader.Reader, c *Control) {
	c.Redo = pg.LSN(r.Uint64())
	c.Timeline = pg.TimelineID(r.Uint32())
	r.Skip(4) // PrevTimeLineID
	c.FullPageWrite = r.Uint8() != 0
	r.Align(8)
	c.NextXID = pg.FullXID(r.Uint64())
	c.NextOID = pg.OID(r.Uint32())
	c.NextMultiXact = pg.XID(r.Uint32())
	r.Skip(4) // nextMultiOffset
	c.OldestXID = pg.XID(r.Uint32())
	r.Skip(3 * 4) // oldestXidDB, oldestMulti, oldestMultiDB
	r.Align(8)
	c.CheckpointTime = time.Unix(r.Int64(), 0).UTC()
	r.Skip(3 * 4) // oldestCommitTsXid, newestCommitTsXid, oldestActiveXid
	r.Align(8)
}

// checkControl refuses a cluster that was built with other sizes than every
// distributed build has, counted back from where the CRC of format 1300 is.
func checkControl(raw []byte, end int) error {
	const fromMaxAlign = 4 + 8 + 8*4 + 4 + 4 + 32
	r := binreader.New(raw)
	r.Seek(end - fromMaxAlign)
	r.Align(4)
	maxAlign, float := r.Uint32(), r.Float64()
	block, segment, walBlock := r.Uint32(), r.Uint32(), r.Uint32()
	switch {
	case !r.OK():
		return r.Err()
	case maxAlign != 8 || float != floatFormatValue:
		return errors.New("cluster was made on a platform with another alignment or floating-point format")
	case block != pg.BlockSize || walBlock != walBlockSize || segment != expectedRelSegSize:
		return fmt.Errorf("cluster has pages of %d bytes, WAL pages of %d bytes and %d pages a segment; only %d, %d and %d are supported",
			block, walBlock, segment, pg.BlockSize, walBlockSize, expectedRelSegSize)
	}
	return nil
}

// The states of DBState that a clean stop leaves.
const (
	stateShutDown           = 1
	stateShutDownInRecovery = 2
)

// stateName is DBState as pg_controldata prints it.
func stateName(state uint32) string {
	names := [...]string{
		"starting up", "shut down", "shut down in recovery", "shutting down",
		"in crash recovery", "in archive recovery", "in production",
	}
	if int64(state) < int64(len(names)) {
		return names[state]
	}
	return fmt.Sprintf("unrecognized status code %d", state)
}

// ReadVersion reads PG_VERSION, the major version, of a data directory.
func ReadVersion(dir heap.DataDir) (pg.Version, error) {
	path := filepath.Join(dir.Path, "PG_VERSION")
	raw, err := readHead(dir.Trail, path, evidence.KindVersion, 64)
	if err != nil {
		hint := ""
		switch {
		case errors.Is(err, fs.ErrNotExist):
			hint = "is this a PostgreSQL data directory?"
		case errors.Is(err, fs.ErrPermission):
			hint = "run as a user who may read the data directory"
		}
		return 0, &evidence.Error{Op: "catalog: read version", Place: path, Err: err, Hint: hint}
	}
	major, _, _ := strings.Cut(strings.TrimSpace(string(raw)), ".")
	version, err := strconv.ParseUint(major, 10, 16)
	if err != nil {
		return 0, &evidence.Error{Op: "catalog: read version", Place: path, Err: fmt.Errorf("not a version: %q", raw)}
	}
	return pg.Version(version), nil
}

// walLevelName is WalLevel of access/xlog.h as wal_level is written.
func walLevelName(level uint32) string {
	switch level {
	case 0:
		return "minimal"
	case 1:
		return "replica"
	case 2:
		return "logical"
	}
	return ""
}
