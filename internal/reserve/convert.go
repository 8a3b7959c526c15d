package reserve

import (
	"fmt"
	"time"

	"tfos/internal/exit"
	pb "tfos/internal/reserve/reservepb"
)

// The edge between the wire's generated types and this package's own.

func registerToPB(r Registration, token string, incarnation int64) *pb.MemberMessage {
	return &pb.MemberMessage{Message: &pb.MemberMessage_Register{Register: &pb.Register{
		Token: token, Job: r.Job, Index: int32(r.Index), Incarnation: incarnation,
		Address:  r.Address,
		Feed:     &pb.FeedAddress{BootId: r.Feed.BootID, Unix: r.Feed.Unix, Tcp: r.Feed.TCP},
		Executor: r.Executor, Host: r.Host, LogPath: r.LogPath,
	}}}
}

func registerFromPB(m *pb.Register) (Registration, int64) {
	return Registration{
		Place:   Place{Job: m.GetJob(), Index: int(m.GetIndex())},
		Address: m.GetAddress(),
		Feed: FeedAddress{
			BootID: m.GetFeed().GetBootId(), Unix: m.GetFeed().GetUnix(), TCP: m.GetFeed().GetTcp(),
		},
		Executor: m.GetExecutor(), Host: m.GetHost(), LogPath: m.GetLogPath(),
	}, m.GetIncarnation()
}

func renewToPB(r Renewal, sequence int64) *pb.MemberMessage {
	return &pb.MemberMessage{Message: &pb.MemberMessage_Renew{Renew: &pb.Renew{
		Sequence: sequence, Phase: r.Phase, Feeds: countsToPB(r.Feeds),
		LogBytes: r.LogBytes, Splits: r.Splits, SplitRows: r.SplitRows, Notes: notesToPB(r.Notes),
		Paces: pacesToPB(r.Paces), SplitBytes: r.SplitBytes,
		CpuMs: r.Usage.CPU.Milliseconds(), GpuMs: r.Usage.GPU.Milliseconds(), WrittenBytes: r.Usage.Written, Stuck: r.Usage.Stuck,
		Uploading: r.Uploading, Training: trainingToPB(r.Training), Mirrored: mirroredToPB(r.Mirrored),
		Gpus: gpusToPB(r.GPUs),
	}}}
}

func renewFromPB(m *pb.Renew) (Renewal, int64) {
	return Renewal{
		Phase: m.GetPhase(), Feeds: countsFromPB(m.GetFeeds()),
		LogBytes: m.GetLogBytes(), Splits: m.GetSplits(), SplitRows: m.GetSplitRows(), SplitBytes: m.GetSplitBytes(),
		Notes: notesFromPB(m.GetNotes()), Paces: pacesFromPB(m.GetPaces()),
		Usage: Usage{
			CPU:     time.Duration(m.GetCpuMs()) * time.Millisecond,
			GPU:     time.Duration(m.GetGpuMs()) * time.Millisecond,
			Written: m.GetWrittenBytes(),
			Stuck:   m.GetStuck(),
		},
		Uploading: m.GetUploading(), Training: trainingFromPB(m.GetTraining()), Mirrored: mirroredFromPB(m.GetMirrored()),
		GPUs: gpusFromPB(m.GetGpus()),
	}, m.GetSequence()
}

func trainingToPB(t *Training) *pb.Training {
	if t == nil {
		return nil
	}
	return &pb.Training{Step: t.Step, Steps: t.Steps, Loss: t.Loss, StepsPerSecond: t.StepsPerSecond}
}

func trainingFromPB(t *pb.Training) *Training {
	if t == nil {
		return nil
	}
	return &Training{Step: t.GetStep(), Steps: t.GetSteps(), Loss: t.GetLoss(), StepsPerSecond: t.GetStepsPerSecond()}
}

func gpusToPB(gpus []GPU) []*pb.GPU {
	var out []*pb.GPU
	for _, g := range gpus {
		out = append(out, &pb.GPU{Device: g.Device, Percent: int32(g.Percent), MeanPercent: g.Mean,
			UsedMib: g.UsedMiB, HighestMib: g.HighestMiB, TotalMib: g.TotalMiB})
	}
	return out
}

func gpusFromPB(gpus []*pb.GPU) []GPU {
	var out []GPU
	for _, g := range gpus {
		out = append(out, GPU{Device: g.GetDevice(), Percent: int(g.GetPercent()), Mean: g.GetMeanPercent(),
			UsedMiB: g.GetUsedMib(), HighestMiB: g.GetHighestMib(), TotalMiB: g.GetTotalMib()})
	}
	return out
}

func mirroredToPB(m *Mirrored) *pb.Mirrored {
	if m == nil {
		return nil
	}
	return &pb.Mirrored{
		Url: m.URL, Stored: m.Stored, Local: m.Local, Files: m.Files, Bytes: m.Bytes, Seconds: m.Seconds,
		AllFiles: m.AllFiles, AllBytes: m.AllBytes, Brought: m.Brought, Error: m.Error,
	}
}

func mirroredFromPB(m *pb.Mirrored) *Mirrored {
	if m == nil {
		return nil
	}
	return &Mirrored{
		URL: m.GetUrl(), Stored: m.GetStored(), Local: m.GetLocal(), Files: m.GetFiles(), Bytes: m.GetBytes(), Seconds: m.GetSeconds(),
		AllFiles: m.GetAllFiles(), AllBytes: m.GetAllBytes(), Brought: m.GetBrought(), Error: m.GetError(),
	}
}

func notesToPB(notes []Note) []*pb.Note {
	var out []*pb.Note
	for _, n := range notes {
		out = append(out, &pb.Note{Kind: pb.Note_Kind(n.Kind), Text: n.Text})
	}
	return out
}

func notesFromPB(notes []*pb.Note) []Note {
	var out []Note
	for _, n := range notes {
		out = append(out, Note{Kind: NoteKind(n.GetKind()), Text: n.GetText()})
	}
	return out
}

func countsToPB(counts []FeedCount) []*pb.FeedCount {
	var out []*pb.FeedCount
	for _, c := range counts {
		out = append(out, &pb.FeedCount{
			Feed: c.Feed, Epoch: int32(c.Epoch), Received: c.Received, Trained: c.Trained,
			Dropped: c.Dropped, Quarantined: c.Quarantined, StepsHeld: c.StepsHeld, Stopped: c.Stopped, Left: c.Left,
			Ended: c.Ended, Cached: c.Cached, Epochs: int32(c.Epochs),
		})
	}
	return out
}

func countsFromPB(counts []*pb.FeedCount) []FeedCount {
	var out []FeedCount
	for _, c := range counts {
		out = append(out, FeedCount{
			Feed: c.GetFeed(), Epoch: int(c.GetEpoch()), Received: c.GetReceived(), Trained: c.GetTrained(),
			Dropped: c.GetDropped(), Quarantined: c.GetQuarantined(), StepsHeld: c.GetStepsHeld(), Stopped: c.GetStopped(), Left: c.GetLeft(),
			Ended: c.GetEnded(), Cached: c.GetCached(), Epochs: int(c.GetEpochs()),
		})
	}
	return out
}

func pacesToPB(paces []Pace) []*pb.Pace {
	var out []*pb.Pace
	for _, p := range paces {
		steps := map[int32]int64{}
		for bucket, n := range p.Steps {
			steps[int32(bucket)] = n
		}
		out = append(out, &pb.Pace{Feed: p.Feed, Rows: p.Rows, Seconds: p.Seconds, Waited: p.Waited, Steps: steps})
	}
	return out
}

func pacesFromPB(paces []*pb.Pace) []Pace {
	var out []Pace
	for _, p := range paces {
		steps := map[int]int64{}
		for bucket, n := range p.GetSteps() {
			steps[int(bucket)] = n
		}
		out = append(out, Pace{Feed: p.GetFeed(), Rows: p.GetRows(), Seconds: p.GetSeconds(), Waited: p.GetWaited(), Steps: steps})
	}
	return out
}

func outcomeToPB(o Outcome, token string, incarnation int64) *pb.Outcome {
	return &pb.Outcome{
		Token: token, Job: o.Job, Index: int32(o.Index), Incarnation: incarnation,
		Kind: pb.Outcome_Kind(o.Kind), Phase: o.Phase, Cause: o.Cause,
		ExitCode: int32(o.ExitCode), Signal: int32(o.Signal), Stderr: o.Stderr, Stdout: o.Stdout,
		LogPath: o.LogPath, Host: o.Host, Feeds: countsToPB(o.Feeds),
		VerdictCode: int32(o.VerdictCode), Result: o.Result, Paces: pacesToPB(o.Paces), Notes: notesToPB(o.Notes),
		WorkingFiles: workingToPB(o.Working), Mirrored: mirroredToPB(o.Mirrored),
	}
}

func outcomeFromPB(m *pb.Outcome) (Outcome, int64) {
	return Outcome{
		Place: Place{Job: m.GetJob(), Index: int(m.GetIndex())},
		Kind:  Kind(m.GetKind()), Phase: m.GetPhase(), Cause: m.GetCause(),
		ExitCode: int(m.GetExitCode()), Signal: int(m.GetSignal()), Stderr: m.GetStderr(), Stdout: m.GetStdout(),
		LogPath: m.GetLogPath(), Host: m.GetHost(), Feeds: countsFromPB(m.GetFeeds()),
		VerdictCode: exit.Code(m.GetVerdictCode()), Result: m.GetResult(), Paces: pacesFromPB(m.GetPaces()), Notes: notesFromPB(m.GetNotes()),
		Working: workingFromPB(m.GetWorkingFiles()), Mirrored: mirroredFromPB(m.GetMirrored()),
	}, m.GetIncarnation()
}

func workingToPB(w WorkingFiles) *pb.WorkingFiles {
	return &pb.WorkingFiles{
		Folder: w.Folder, Files: w.Files, Bytes: w.Bytes, UploadedFiles: w.Uploaded, UploadedBytes: w.UploadedBytes,
		Matched: w.Matched, Error: w.Error,
	}
}

func workingFromPB(m *pb.WorkingFiles) WorkingFiles {
	return WorkingFiles{
		Folder: m.GetFolder(), Files: m.GetFiles(), Bytes: m.GetBytes(), Uploaded: m.GetUploadedFiles(), UploadedBytes: m.GetUploadedBytes(),
		Matched: m.GetMatched(), Error: m.GetError(),
	}
}

func messageToPB(m Message) *pb.ServerMessage {
	switch m := m.(type) {
	case Registered:
		return &pb.ServerMessage{Message: &pb.ServerMessage_Registered{Registered: &pb.Registered{
			Incarnation: m.Incarnation, LeaseMs: m.Lease.Milliseconds()}}}
	case Rejected:
		return &pb.ServerMessage{Message: &pb.ServerMessage_Rejected{Rejected: &pb.Rejected{
			Reason: m.Reason, Retry: m.Retry}}}
	case Renewed:
		return &pb.ServerMessage{Message: &pb.ServerMessage_Renewed{Renewed: &pb.Renewed{Sequence: m.Sequence}}}
	case Cluster:
		return &pb.ServerMessage{Message: &pb.ServerMessage_Cluster{Cluster: clusterToPB(m)}}
	case LowWater:
		return &pb.ServerMessage{Message: &pb.ServerMessage_LowWater{LowWater: &pb.LowWater{
			Feed: m.Feed, Step: m.Step, Final: m.Final}}}
	case FeedEnd:
		return &pb.ServerMessage{Message: &pb.ServerMessage_FeedEnd{FeedEnd: &pb.FeedEnd{
			Feed: m.Feed, Epoch: int32(m.Epoch), Last: m.Last}}}
	case Replay:
		return &pb.ServerMessage{Message: &pb.ServerMessage_Replay{Replay: &pb.Replay{
			Feed: m.Feed, Epochs: int32(m.Epochs)}}}
	case Stop:
		return &pb.ServerMessage{Message: &pb.ServerMessage_Stop{Stop: &pb.Stop{Reason: m.Reason}}}
	case TrainingEnded:
		return &pb.ServerMessage{Message: &pb.ServerMessage_TrainingEnded{TrainingEnded: &pb.TrainingEnded{}}}
	case Ping:
		return &pb.ServerMessage{Message: &pb.ServerMessage_Ping{Ping: &pb.Ping{}}}
	}
	panic(fmt.Sprintf("reserve: message %T has no wire form", m))
}

func clusterToPB(c Cluster) *pb.Cluster {
	out := &pb.Cluster{Generation: int32(c.Generation), Work: c.Work}
	for _, m := range c.Members {
		out.Members = append(out.Members, &pb.Member{Job: m.Job, Index: int32(m.Index), Address: m.Address, Host: m.Host})
	}
	return out
}

// messageFromPB returns nil for a message that this version does not know.
func messageFromPB(m *pb.ServerMessage) Message {
	switch m := m.GetMessage().(type) {
	case *pb.ServerMessage_Registered:
		return Registered{Incarnation: m.Registered.GetIncarnation(),
			Lease: time.Duration(m.Registered.GetLeaseMs()) * time.Millisecond}
	case *pb.ServerMessage_Rejected:
		return Rejected{Reason: m.Rejected.GetReason(), Retry: m.Rejected.GetRetry()}
	case *pb.ServerMessage_Renewed:
		return Renewed{Sequence: m.Renewed.GetSequence()}
	case *pb.ServerMessage_Cluster:
		return clusterFromPB(m.Cluster)
	case *pb.ServerMessage_LowWater:
		return LowWater{Feed: m.LowWater.GetFeed(), Step: m.LowWater.GetStep(), Final: m.LowWater.GetFinal()}
	case *pb.ServerMessage_FeedEnd:
		return FeedEnd{Feed: m.FeedEnd.GetFeed(), Epoch: int(m.FeedEnd.GetEpoch()), Last: m.FeedEnd.GetLast()}
	case *pb.ServerMessage_Replay:
		return Replay{Feed: m.Replay.GetFeed(), Epochs: int(m.Replay.GetEpochs())}
	case *pb.ServerMessage_Stop:
		return Stop{Reason: m.Stop.GetReason()}
	case *pb.ServerMessage_TrainingEnded:
		return TrainingEnded{}
	case *pb.ServerMessage_Ping:
		return Ping{}
	}
	return nil
}

func clusterFromPB(m *pb.Cluster) Cluster {
	out := Cluster{Generation: int(m.GetGeneration()), Work: m.GetWork()}
	for _, member := range m.GetMembers() {
		out.Members = append(out.Members, Member{
			Place: Place{Job: member.GetJob(), Index: int(member.GetIndex())}, Address: member.GetAddress(), Host: member.GetHost()})
	}
	return out
}
