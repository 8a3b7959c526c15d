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
	// maxOpenFiles bounds the files of a partitioned output. All of them stay
	// open until the conversion ends.
	maxOpenFiles = 1000
	// openGroupBytes bounds the open row groups of all files together.
	// minGroupBytes is the smallest row group.
	openGroupBytes, minGroupBytes = 512 << 20, 256 << 10
)

// choosePartitionColumns checks the columns of c.PartitionBy. The remaining
// columns go into the files.
func (c *conversion) choosePartitionColumns() error {
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
		case !canNameFolder(schema.Field(at).Type):
			return fmt.Errorf("files: partition by %s: a folder's name cannot hold %s", name, schema.Field(at).Type)
		}
		c.partitionColumns = append(c.partitionColumns, at)
	}
	for i, f := range schema.Fields() {
		if !slices.Contains(c.partitionColumns, i) {
			c.fileColumns, fields = append(c.fileColumns, i), append(fields, f)
		}
	}
	if len(fields) == 0 {
		return errors.New("files: partition by: no column is left for the files")
	}
	c.fileSchema = arrow.NewSchema(fields, nil)
	return nil
}

func canNameFolder(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.BOOL, arrow.STRING, arrow.LARGE_STRING, arrow.DATE32, arrow.TIMESTAMP, arrow.DECIMAL128:
		return true
	}
	return arrow.IsInteger(t.ID()) || t.ID() == arrow.FLOAT32 || t.ID() == arrow.FLOAT64
}

// shardFiles are the open files of one shard: one in each folder that its rows
// need. Without partition columns a shard has exactly one file, even without
// rows.
type shardFiles struct {
	conversion *conversion
	name       string // part-00000.parquet
	open       map[string]*shardFile
}

type shardFile struct {
	to *outputFile
	w  Writer
}

// openFile returns the shard's file in a folder below the output, and creates
// it if needed. "" is the output folder itself.
func (s *shardFiles) openFile(ctx context.Context, folder string) (*shardFile, error) {
	if f, ok := s.open[folder]; ok {
		return f, nil
	}
	if n := s.conversion.openedFiles.Add(1); n > maxOpenFiles && len(s.conversion.partitionColumns) > 0 {
		return nil, fmt.Errorf("files: partition by %s: more than %d files: take columns of fewer values, or fewer shards", strings.Join(s.conversion.PartitionBy, ", "), maxOpenFiles)
	}
	at := path.Join(folder, s.name)
	dir := strings.TrimSuffix(s.conversion.Staging, "/")
	if folder != "" {
		if err := s.conversion.store.Mkdir(ctx, dir+"/"+folder); err != nil {
			return nil, &OutputError{dir + "/" + folder, err}
		}
	}
	file, err := s.conversion.store.Create(ctx, dir+"/"+at)
	if err != nil {
		return nil, &OutputError{at, err}
	}
	f := &shardFile{to: &outputFile{file: file, path: dir + "/" + at}}
	if f.w, err = NewWriter(s.conversion.To, f.to, s.conversion.fileSchema, s.conversion.Write); err != nil {
		return nil, errors.Join(err, file.Abort())
	}
	s.open[folder] = f
	return f, nil
}

// writeRows adds the rows of a record to the files of their folders.
func (s *shardFiles) writeRows(ctx context.Context, record arrow.Record) error {
	if len(s.conversion.partitionColumns) == 0 {
		f, err := s.openFile(ctx, "")
		if err != nil {
			return err
		}
		return wrapWriteError(f.w.Write(record))
	}
	order, rows := s.conversion.groupByFolder(record)
	for _, folder := range order {
		part, err := s.conversion.pickRows(record, rows[folder])
		if err != nil {
			return err
		}
		f, err := s.openFile(ctx, folder)
		if err == nil {
			err = wrapWriteError(f.w.Write(part))
		}
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// commitFiles completes all files.
func (s *shardFiles) commitFiles() error {
	for folder, f := range s.open {
		delete(s.open, folder)
		if err := f.to.commit(f.w); err != nil {
			return errors.Join(err, f.to.file.Abort())
		}
	}
	return nil
}

// abortFiles discards the files that are still open.
func (s *shardFiles) abortFiles() (err error) {
	for _, f := range s.open {
		_ = f.w.Close()
		err = errors.Join(err, f.to.file.Abort())
	}
	return err
}

// groupBytes returns the row group size for the number of files that are open.
func (c *conversion) groupBytes() int64 {
	return max(minGroupBytes, min(parquet.RowGroupBytes, openGroupBytes/max(1, c.openedFiles.Load())))
}

// groupByFolder returns the row numbers of a record for each folder. order
// lists the folders by their first row.
func (c *conversion) groupByFolder(record arrow.Record) (order []string, rows map[string][]int64) {
	rows = map[string][]int64{}
	for row := range int(record.NumRows()) {
		var folder strings.Builder
		for i, at := range c.partitionColumns {
			if i > 0 {
				folder.WriteByte('/')
			}
			value := formatFolderValue(record.Column(at), row, time.Local)
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

// pickRows returns the named rows of a record with the columns of the files.
func (c *conversion) pickRows(record arrow.Record, rows []int64) (arrow.Record, error) {
	columns := make([]arrow.Array, 0, len(c.fileColumns))
	defer func() { arrays.ReleaseArrays(columns) }()
	for _, at := range c.fileColumns {
		column, err := Pick(c.Read.Memory, record.Column(at), rows)
		if err != nil {
			return nil, fmt.Errorf("files: column %s: %w", record.ColumnName(at), err)
		}
		columns = append(columns, column)
	}
	return array.NewRecord(c.fileSchema, columns, int64(len(rows))), nil
}

// formatFolderValue writes a value as Spark writes it in a folder name,
// escaped.
func formatFolderValue(a arrow.Array, i int, zone *time.Location) string {
	if a.IsNull(i) {
		return nullFolder
	}
	text := ""
	switch a := a.(type) {
	case *array.Float64:
		text = formatJavaFloat(a.Value(i), 64)
	case *array.Float32:
		text = formatJavaFloat(float64(a.Value(i)), 32)
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

// formatJavaFloat writes a number as Java prints it.
func formatJavaFloat(v float64, bits int) string {
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

// escapeFolder writes %XX for characters that Spark escapes in folder names
// (ExternalCatalogUtils.escapePathName).
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
