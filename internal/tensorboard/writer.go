package tensorboard

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	summarypb "github.com/wamuir/graft/tensorflow/core/framework/summary_go_proto"
	tensorpb "github.com/wamuir/graft/tensorflow/core/framework/tensor_go_proto"
	shapepb "github.com/wamuir/graft/tensorflow/core/framework/tensor_shape_go_proto"
	typespb "github.com/wamuir/graft/tensorflow/core/framework/types_go_proto"
	eventpb "github.com/wamuir/graft/tensorflow/core/util/event_go_proto"
	"google.golang.org/protobuf/proto"

	"tfos/internal/recordio"
	"tfos/internal/store"
)

// version is the first event of each file. For files of versions before 2 TensorBoard
// takes a step that goes back for a restart
// (tensorboard/backend/event_processing/event_accumulator.py).
const version = "brain.Event:2"

// Writer writes an event file. It holds no file open: the last Flush ends it. One
// goroutine uses it at a time.
type Writer struct {
	store   store.Store
	path    string
	pending bytes.Buffer // events that are not in the file yet
	frames  *recordio.Writer
	failed  error // of an earlier flush
}

// Create begins an event file in dir, which it makes. host and now are in the file's
// name. Files of one dir have different names. TensorBoard reads them in the order of
// their names.
//
// done is the number of steps that the training begins with: those of the checkpoint
// that it resumes from. TensorBoard forgets the points of later steps in earlier files.
// They were lost with the run that wrote them.
func Create(ctx context.Context, dir, host string, done int64, now time.Time) (*Writer, error) {
	s, err := store.For(dir)
	if err == nil {
		err = s.Mkdir(ctx, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("tensorboard: %w", err)
	}
	w := &Writer{store: s}
	w.frames = recordio.NewWriter(&w.pending)
	if w.path, err = freePath(ctx, s, fmt.Sprintf("%s/events.out.tfevents.%010d.%s", dir, now.Unix(), host)); err != nil {
		return nil, fmt.Errorf("tensorboard: %w", err)
	}
	w.add(now, &eventpb.Event{What: &eventpb.Event_FileVersion{FileVersion: version},
		SourceMetadata: &eventpb.SourceMetadata{Writer: "tfos"}})
	w.add(now, &eventpb.Event{Step: done + 1, What: &eventpb.Event_SessionLog{
		SessionLog: &eventpb.SessionLog{Status: eventpb.SessionLog_START}}})
	return w, w.Flush()
}

// freePath returns path, or if that exists path with the first free number.
func freePath(ctx context.Context, s store.Store, path string) (string, error) {
	free := path
	for n := 1; ; n++ {
		switch _, err := s.Stat(ctx, free); {
		case errors.Is(err, fs.ErrNotExist):
			return free, nil
		case err != nil:
			return "", err
		}
		free = fmt.Sprintf("%s.%d", path, n)
	}
}

// Path returns the path of the event file.
func (w *Writer) Path() string { return w.path }

// Scalars adds a point to the curve of each tag. It has one value for each tag.
// TensorBoard groups tags by the part before their first slash. The values are kept as
// float32. The error is that of an earlier Flush, or of a tag that is no UTF-8.
func (w *Writer) Scalars(step int64, at time.Time, tags []string, values []float64) error {
	for i, tag := range tags {
		w.addScalar(tag, values[i], step, at)
	}
	return w.err()
}

func (w *Writer) addScalar(tag string, value float64, step int64, at time.Time) {
	content := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(value)))
	w.add(at, &eventpb.Event{Step: step, What: &eventpb.Event_Summary{Summary: &summarypb.Summary{Value: []*summarypb.Summary_Value{{
		Tag:      tag,
		Metadata: &summarypb.SummaryMetadata{PluginData: &summarypb.SummaryMetadata_PluginData{PluginName: "scalars"}},
		Value: &summarypb.Summary_Value_Tensor{Tensor: &tensorpb.TensorProto{
			Dtype: typespb.DataType_DT_FLOAT, TensorShape: &shapepb.TensorShapeProto{}, TensorContent: content}},
	}}}}})
}

func (w *Writer) add(at time.Time, event *eventpb.Event) {
	event.WallTime = float64(at.UnixMicro()) / 1e6
	data, err := proto.Marshal(event)
	if err == nil {
		err = w.frames.WriteRecord(data)
	}
	w.failed = errors.Join(w.failed, err) // only text that is no UTF-8 cannot be marshalled
}

// Flush appends the events to the file. Readers see them at once. After an error the
// file may end in half an event, which readers take for its end. The writer therefore
// adds no more to it, and each later Flush returns the same error.
func (w *Writer) Flush() error {
	if w.failed == nil && w.pending.Len() > 0 {
		w.failed = w.store.Append(context.Background(), w.path, w.pending.Bytes())
	}
	w.pending.Reset()
	return w.err()
}

func (w *Writer) err() error {
	if w.failed != nil {
		return fmt.Errorf("tensorboard: write %s: %w", w.path, w.failed)
	}
	return nil
}
