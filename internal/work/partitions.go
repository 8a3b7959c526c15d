package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tfos/internal/infer"
	"tfos/internal/store"

	"tfos/internal/reserve"
)

// Resuming where Spark reads and writes. A part is what Spark wrote of one
// partition, and its number is that of the partition in Spark's job. Beside what
// every run has in its folder there are:
//
//	RUN/written/    the output of the run's Spark job
//	RUN/pending/0/  what its tasks have committed, as long as the job has not: a
//	                folder for each (task_…_m_000007)
//
//	RUN/aside/      its engines' quarantine (Output.Aside), a file for each
//	                attempt at a partition with bad rows
//
// A partition is finished when its record is there (infer.ServedRecord: its task
// has brought all rows) and its files are: those of a folder in pending, which
// Spark makes by renaming it, or those that the job's commit has moved already;
// and the quarantine file that the record names. Where it says that no row was
// predicted, Spark need not have written a file.
const (
	writtenName = "written"
	pendingName = "pending/0"
	asideName   = "aside"
)

// ResumeWritten is the output of the Spark job of a run whose Output.Resume
// is root. The driver makes it, and in it a link _temporary to pending beside it.
func ResumeWritten(root, run string) string { return root + "/" + run + "/" + writtenName }

// ResumeAside is where a run's engines set bad rows aside. It outlives the run, as
// the partitions that they are of do.
func ResumeAside(root, run string) string { return root + "/" + run + "/" + asideName }

// sparkPart is how Spark names the files of a partition.
var sparkPart = regexp.MustCompile(`^part-([0-9]+)-`)

// lookTable surveys an output for what Spark reads. missing are the partitions that are
// to be predicted.
func lookTable(ctx context.Context, o Output, request *infer.PartitionsRequest, table infer.Table) (_ *survey, missing []infer.Partition, err error) {
	identity, err := request.Identify(ctx, table)
	if err != nil {
		return nil, nil, err
	}
	s := &survey{identity: identity, onBadRow: request.OnBadRow}
	_, parts, err := s.earlier(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	return s, s.matchPartitions(table.Partitions, parts), nil
}

// matchPartitions finds the finished parts of the partitions that Spark has now,
// whatever their numbers were, and returns the partitions that have none.
func (s *survey) matchPartitions(digests []string, parts []part) (missing []infer.Partition) {
	done := map[string][]part{}
	for _, p := range parts {
		if made := p.Part.(infer.PartitionResult); made.Serves(s.onBadRow) {
			done[made.Partition] = append(done[made.Partition], p)
		}
	}
	now := map[string]bool{}
	var all []infer.Partition
	for i, digest := range digests {
		now[digest] = true
		partition := infer.Partition{ID: i, Digest: digest}
		all = append(all, partition)
		found := done[digest]
		if len(found) == 0 {
			missing = append(missing, partition)
			continue
		}
		s.carried, done[digest] = append(s.carried, found[0].numbered(i)), found[1:]
	}
	s.pieces, s.missing = all, len(missing)
	gone := map[string]bool{}
	for _, p := range parts {
		if digest := p.Part.(infer.PartitionResult).Partition; !now[digest] {
			gone[digest] = true
		}
	}
	if len(gone) > 0 && len(missing) > 0 {
		s.warn("%d finished partitions of earlier runs are not used: their files have changed, or Spark divides the input otherwise now, "+
			"as it does for another number of executors or cores, and when files have come or gone", len(gone))
	}
	return missing
}

// finishedPartitions are the parts of partitions in a run's folder that are whole and
// have a record.
func finishedPartitions(ctx context.Context, st store.Store, folder string, identity infer.Identity, partitions []infer.Partition) ([]part, error) {
	written, err := filesOfPartitions(ctx, st, folder)
	if err != nil {
		return nil, err
	}
	taken, err := sizesIn(ctx, st, folder+"/"+partsName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var parts []part
	for _, partition := range partitions {
		at := folder + "/" + recordsName + "/" + infer.RecordName(infer.PartitionName(partition.ID))
		var record infer.ServedRecord
		if err := readJSON(ctx, st, at, &record); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			continue
		}
		p, sizes := part{Part: record.Part}, taken
		if record.Part.Partition == "" { // an engine's record: the run has made the part itself
			record.Part.Partition = partition.Digest
			p, sizes = madeOf(record.Part, folder, written[partition.ID])
		}
		p.folder, p.record = folder+"/"+partsName, at
		made := p.Part.(infer.PartitionResult)
		known := made.ID == partition.ID && made.Partition == partition.Digest && record.Digest == identity.Digest
		if known && (made.Rows == 0 || len(made.Written) > 0) && whole(ctx, st, p, sizes) == "" {
			parts = append(parts, p)
		}
	}
	return parts, ctx.Err()
}

// sparkFile is a file of a partition, where it is now.
type sparkFile struct {
	infer.WrittenFile
	path string
}

// madeOf adds to a partition's result the files that Spark has written of it, which
// are in the folder of the run that has made it. It returns Spark's sizes.
func madeOf(made infer.PartitionResult, folder string, files []sparkFile) (part, map[string]int64) {
	paths, sizes := map[string]string{}, map[string]int64{}
	for _, f := range files {
		paths[f.Output], sizes[f.path] = f.path, f.Bytes
		made.Written = append(made.Written, f.WrittenFile)
		made.Bytes += f.Bytes
	}
	slices.SortFunc(made.Written, func(a, b infer.WrittenFile) int { return strings.Compare(a.Output, b.Output) })
	if made.Quarantine != nil {
		paths[made.Quarantine.Output] = folder + "/" + asideName + "/" + made.Quarantine.Output
	}
	return part{Part: made, paths: paths}, sizes
}

// numbered returns a partition's part with its number in the output. Its quarantine
// file is named by that: another partition may have the one that it had.
func (p part) numbered(id int) part {
	made := p.Part.(infer.PartitionResult)
	made.ID = id
	if made.Quarantine != nil {
		at := p.path(made.Quarantine.Output)
		q := *made.Quarantine
		q.Output = infer.QuarantineFolder + "/" + infer.QuarantineName(id, "")
		made.Quarantine = &q
		p.paths = maps.Clone(p.paths)
		if p.paths == nil {
			p.paths = map[string]string{}
		}
		p.paths[q.Output] = at
	}
	p.Part = made
	return p
}

// filesOfPartitions are the files that tasks of a run's Spark job have committed,
// by partition. When the job's commit has begun, which moves one file after
// another, all tasks have.
func filesOfPartitions(ctx context.Context, st store.Store, folder string) (map[int][]sparkFile, error) {
	out := map[int][]sparkFile{}
	for _, root := range []string{folder + "/" + writtenName, folder + "/" + pendingName} {
		found, err := st.List(ctx, root)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, f := range found {
			name := strings.TrimPrefix(f.Path, root+"/")
			if strings.HasSuffix(root, pendingName) {
				_, name, _ = strings.Cut(name, "/") // the task's folder
			}
			if match := sparkPart.FindStringSubmatch(path.Base(name)); match != nil {
				if number, err := strconv.Atoi(match[1]); err == nil {
					out[number] = append(out[number], sparkFile{infer.WrittenFile{Output: name, Bytes: f.Size}, f.Path})
				}
			}
		}
	}
	return out, nil
}

// writeRecord notes a partition's part as the run's own.
func (r *resumption) writeRecord(ctx context.Context, made infer.PartitionResult) error {
	text, err := json.Marshal(infer.ServedRecord{Digest: r.identity.Digest, Part: made})
	if err == nil {
		err = store.WriteFile(ctx, r.store, r.records()+"/"+infer.RecordName(infer.PartitionName(made.ID)), text)
	}
	if err != nil {
		return fmt.Errorf("work: note partition %d: %w", made.ID, err)
	}
	return nil
}

// resumedPartitions is the base of an output that Spark writes.
type resumedPartitions struct {
	*resumption
	missing []infer.Partition
}

func (r resumedPartitions) start() reserve.Start {
	done := []int{}
	for _, p := range r.carried {
		done = append(done, p.Info().ID)
	}
	return r.started(done)
}

func (r resumedPartitions) add(result *total) error {
	// Members know the model alone.
	result.Made = r.identity
	result.Made.Digest = result.Digest
	return r.resumption.add(result)
}

func (r resumedPartitions) kept(ctx context.Context) int {
	kept := r.countPublished()
	if left, err := finishedPartitions(ctx, r.store, r.folder(), r.identity, r.pieces.([]infer.Partition)); err == nil {
		kept += len(left)
	}
	return kept
}

// collect says in the result's Parts what there is of each partition. Rows that do
// not add up are a refusal (unaccountedFor).
func (r resumedPartitions) collect(ctx context.Context, run string, result *total, took []infer.ServedPartition) error {
	written, err := filesOfPartitions(ctx, r.store, r.folder())
	if err != nil {
		return err
	}
	served := map[int]infer.ServedPartition{}
	for _, s := range took {
		served[s.Partition] = s
	}
	result.BadPartitions = nil
	for _, partition := range r.missing {
		s := served[partition.ID] // none: it has no rows
		delete(served, partition.ID)
		p, _ := madeOf(infer.PartitionResult{Partition: partition.Digest, PartInfo: infer.PartInfo{
			ID: partition.ID, Run: run, Account: s.Account, Quarantine: s.Quarantine, FirstBad: s.FirstBad,
		}}, r.folder(), written[partition.ID])
		if s.Rows > 0 && len(p.Data()) == 0 {
			return unaccountedFor(fmt.Errorf("rows are unaccounted for: %d rows of partition %d were predicted, but Spark has written no file of it", s.Rows, partition.ID))
		}
		p = p.numbered(partition.ID)
		if err := r.link(ctx, p); err != nil {
			return outputError(r.output, err)
		}
		result.Parts = append(result.Parts, p.Part)
	}
	for number := range served {
		return unaccountedFor(fmt.Errorf("rows are unaccounted for: partition %d was predicted, but was not missing", number))
	}
	return nil
}
