package files

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"tfos/internal/files/arrays"
	"tfos/internal/files/codec"
	"tfos/internal/files/parquet"
)

const (
	// mostOpenFiles bounds the files that a partitioned output has: they are all
	// open until its end.
	mostOpenFiles = 1000
	// openGroupBytes is for the row groups of all of them, leastGroupBytes for one.
	openGroupBytes, leastGroupBytes = 512 << 20, 256 << 10
)

// partition checks the columns of c.PartitionBy, and takes the others for the
// files.
func (c *conversion) partition() error {
	schema := c.data.Schema()
	var fields []arrow.Field
	for i, name := range c.PartitionBy {
		at, err := codec.FindColumn(schema, name)
		switch {
		case err != nil:
			return fmt.Errorf("files: partition by %s: %w", name, err)
		case slices.Contains(c.PartitionBy[:i], name):
			return fmt.Errorf("files: partition by %s: the column is named twice", name)
		case strings.HasPrefix(name, "."):
			return fmt.Errorf("files: partition by %s: its folders would be hidden: rename the column", name)
		case !namesFolders(schema.Field(at).Type):
			return fmt.Errorf("files: partition by %s: a folder's name cannot hold %s", name, schema.Field(at).Type)
		}
		c.by = append(c.by, at)
	}
	for i, f := range schema.Fields() {
		if !slices.Contains(c.by, i) {
			c.rest, fields = append(c.rest, i), append(fields, f)
		}
	}
	if len(fields) == 0 {
		return errors.New("files: partition by: no column is left for the files")
	}
	c.inFiles = arrow.NewSchema(fields, nil)
	return nil
}

func namesFolders(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.BOOL, arrow.STRING, arrow.LARGE_STRING, arrow.DATE32, arrow.TIMESTAMP, arrow.DECIMAL128:
		return true
	}
	return arrow.IsInteger(t.ID()) || t.ID() == arrow.FLOAT32 || t.ID() == arrow.FLOAT64
}

// shardFiles are a shard's files, one in each folder that its rows name; of an
// output that is not partitioned one, which is there without rows too.
type shardFiles struct {
	c    *conversion
	name string // part-00000.parquet
	open map[string]*shardFile
}

type shardFile struct {
	to *outputFile
	w  Writer
}

// file is the one in a folder below the output, "" for the output itself.
func (s *shardFiles) file(ctx context.Context, folder string) (*shardFile, error) {
	if f, ok := s.open[folder]; ok {
		return f, nil
	}
	if n := s.c.opened.Add(1); n > mostOpenFiles && len(s.c.by) > 0 {
		return nil, fmt.Errorf("files: partition by %s: more than %d files: take columns of fewer values, or fewer shards", strings.Join(s.c.PartitionBy, ", "), mostOpenFiles)
	}
	at := path.Join(folder, s.name)
	dir := strings.TrimSuffix(s.c.Staging, "/")
	if folder != "" {
		if err := s.c.store.Mkdir(ctx, dir+"/"+folder); err != nil {
			return nil, &OutputError{dir + "/" + folder, err}
		}
	}
	file, err := s.c.store.Create(ctx, dir+"/"+at)
	if err != nil {
		return nil, &OutputError{at, err}
	}
	f := &shardFile{to: &outputFile{file: file, path: dir + "/" + at}}
	if f.w, err = NewWriter(s.c.To, f.to, s.c.inFiles, s.c.Write); err != nil {
		return nil, errors.Join(err, file.Abort())
	}
	s.open[folder] = f
	return f, nil
}

// write adds a record's rows to the files of their folders.
func (s *shardFiles) write(ctx context.Context, record arrow.Record) error {
	if len(s.c.by) == 0 {
		f, err := s.file(ctx, "")
		if err != nil {
			return err
		}
		return refused(f.w.Write(record))
	}
	order, rows := s.c.byFolder(record)
	for _, folder := range order {
		part, err := s.c.pick(record, rows[folder])
		if err != nil {
			return err
		}
		f, err := s.file(ctx, folder)
		if err == nil {
			err = refused(f.w.Write(part))
		}
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// end completes all files.
func (s *shardFiles) end() error {
	for folder, f := range s.open {
		delete(s.open, folder)
		if err := f.to.end(f.w); err != nil {
			return errors.Join(err, f.to.file.Abort())
		}
	}
	return nil
}

// abort lets go of what is open still: the files are of no use.
func (s *shardFiles) abort() (err error) {
	for _, f := range s.open {
		_ = f.w.Close()
		err = errors.Join(err, f.to.file.Abort())
	}
	return err
}

// groupBytes is the size of row groups while so many files are open.
func (c *conversion) groupBytes() int64 {
	return max(leastGroupBytes, min(parquet.RowGroupBytes, openGroupBytes/max(1, c.opened.Load())))
}

// byFolder says which rows of a record go into which folder; order is that of
// their first rows.
func (c *conversion) byFolder(record arrow.Record) (order []string, rows map[string][]int64) {
	rows = map[string][]int64{}
	for row := range int(record.NumRows()) {
		var folder strings.Builder
		for i, at := range c.by {
			if i > 0 {
				folder.WriteByte('/')
			}
			value := folderText(record.Column(at), row, time.Local)
			folder.WriteString(escapeFolder(c.PartitionBy[i]) + "=" + value)
		}
		name := folder.String()
		if _, ok := rows[name]; !ok {
			order = append(order, name)
		}
		rows[name] = append(rows[name], int64(row))
	}
	return order, rows
}

// pick is these rows of a record, in the files' columns.
func (c *conversion) pick(record arrow.Record, rows []int64) (arrow.Record, error) {
	columns := make([]arrow.Array, 0, len(c.rest))
	defer func() { arrays.ReleaseArrays(columns) }()
	for _, at := range c.rest {
		column, err := Pick(c.Read.Memory, record.Column(at), rows)
		if err != nil {
			return nil, fmt.Errorf("files: column %s: %w", record.ColumnName(at), err)
		}
		columns = append(columns, column)
	}
	return array.NewRecord(c.inFiles, columns, int64(len(rows))), nil
}

// folderText is a value as Spark writes it into a folder's name, escaped.
func folderText(a arrow.Array, i int, zone *time.Location) string {
	if a.IsNull(i) {
		return nullFolder
	}
	text := ""
	switch a := a.(type) {
	case *array.Float64:
		text = javaFloat(a.Value(i), 64)
	case *array.Float32:
		text = javaFloat(float64(a.Value(i)), 32)
	case *array.Date32:
		text = a.Value(i).ToTime().Format(time.DateOnly)
	case *array.Timestamp:
		t := a.DataType().(*arrow.TimestampType)
		moment := a.Value(i).ToTime(t.Unit)
		if t.TimeZone != "" {
			moment = moment.In(zone)
		}
		text = moment.Format("2006-01-02 15:04:05.999999")
	case *array.Decimal128:
		text = a.Value(i).ToString(a.DataType().(*arrow.Decimal128Type).Scale)
	default:
		text = a.ValueStr(i)
	}
	if text == "" {
		return nullFolder
	}
	return escapeFolder(text)
}

// javaFloat is a number as Java prints it.
func javaFloat(v float64, bits int) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return strings.TrimPrefix(fmt.Sprintf("%+g", v), "+") + "inity"
	}
	if size := math.Abs(v); size == 0 || size >= 1e-3 && size < 1e7 {
		text := strconv.FormatFloat(v, 'f', -1, bits)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	}
	digits, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'E', -1, bits), "E")
	if !strings.Contains(digits, ".") {
		digits += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return digits + "E" + strconv.Itoa(n)
}

// escapeFolder writes %XX for the characters that Spark does not have in folders'
// names (ExternalCatalogUtils.escapePathName).
func escapeFolder(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c < ' ' && c > 0 || c == 0x7f || strings.IndexByte(`"#%'*/:=?\{[]^`, c) >= 0 {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}
