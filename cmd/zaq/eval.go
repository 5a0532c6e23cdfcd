package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
	"zaq/internal/report"
)

const evalUsage = `Measure the accuracy of a model, float or quantized, on labelled test images: of a classifier the share of right
answers, of a detector the mean average precision at an overlap of half (mAP@0.5, as PASCAL VOC since 2010).

Usage:
    zaq eval MODEL.onnx --data SPEC [FLAGS]

        --data SPEC         cifar10:DIR         with test_batch.bin of the binary version
                            cifar10:FILE.bin    one file of that form
                            cifar100:DIR        with test.bin of the binary version, or one file
                            fashion-mnist:DIR   with t10k-*-ubyte or t10k-*-ubyte.gz
                            imagefolder:DIR     JPEG and PNG files, in a folder for each class (in test or val, where
                                                there is train too), or in one with labels.csv in it or
                                                DIR_labels.csv beside it
                            csv:FILE            a table with the columns file and class_index (or label); files beside
                                                it, or in the folder FILE without .csv and _labels
                            npy:FILE            bytes [N,H,W,3], [N,H,W,1], [N,H,W] or [N,3,H,W], and whole numbers [N]
                                                in NAME_labels.npy beside NAME.npy
                            For detectors, whose MODEL.json has a decoder:
                            voc:DIR             with JPEGImages and Annotations (or images and annotations), and
                                                ImageSets/Main/test.txt or val.txt, or all images
                            boxes:FILE          a table with the columns file, name, xmin, ymin, xmax, ymax, difficult
                                                (or not); all images in images beside it, or the files it names
        --limit N           only the first N images
        --batch N           images at once; does not change the result
        --engine E          fake (default; integers held in floats, by the training engine) or int (8-bit integers, by
                            the engine that zaq run and package infer have)
        --requant R         of engine int: ort (default; bit for bit as ONNX Runtime) or fixed (integers only)
        --json              the result as JSON
        --per-image         with --json: the predicted class of each image, or the boxes found in it, too
` + preprocessUsage + `
Example:
    zaq eval resnet20.w4a4.onnx --data cifar10:cifar-10-batches-bin
    zaq eval yolo.w8a8.onnx --data voc:VOCdevkit/VOC2012
`

type evalOptions struct {
	zaq.EvalOptions
	data       string
	json       bool
	perImage   bool
	preprocess preprocessFlags
}

func (o *evalOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.data, "data", "", "")
	flags.IntVar(&o.Limit, "limit", 0, "")
	flags.IntVar(&o.Batch, "batch", 0, "")
	flags.StringVar(&o.Engine, "engine", zaq.Engines[0], "")
	flags.StringVar(&o.Requant, "requant", zaq.Requants[0], "")
	flags.BoolVar(&o.json, "json", false, "")
	flags.BoolVar(&o.perImage, "per-image", false, "")
	o.preprocess.addFlags(flags)
}

func newEvalCommand(a *app) *cobra.Command {
	var o evalOptions
	cmd := &cobra.Command{
		Use:  "eval",
		Long: evalUsage,
		Args: argument("MODEL.onnx"),
	}
	o.addFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.data == "" {
			return &usageError{text: "--data is missing", hint: "such as --data cifar10:DIR; " + seeHelp(cmd)}
		}
		if err := above0(cmd.Flags(), "limit", "batch"); err != nil {
			return err
		}
		if err := o.preprocess.check(); err != nil {
			return err
		}
		return a.eval(cmd.Context(), args[0], &o)
	}
	return cmd
}

func (a *app) eval(ctx context.Context, model string, o *evalOptions) error {
	m, err := a.load(model, &o.preprocess)
	if err != nil {
		return err
	}
	p := a.progress()
	o.Progress, o.Log = p.Update, a.log
	if m.IsDetector() || zaq.HasBoxes(o.data) {
		return a.evalDetector(ctx, m, o, p)
	}
	e, err := zaq.Evaluate(ctx, m, o.data, o.EvalOptions)
	p.Done()
	if err != nil {
		return err
	}
	if !o.json {
		return report.Evaluation(a.stdout, e)
	}
	if !o.perImage {
		e.Classes = nil
	}
	return report.JSON(a.stdout, e)
}

func (a *app) evalDetector(ctx context.Context, m *zaq.Model, o *evalOptions, p report.Progress) error {
	o.Boxes = o.perImage
	d, err := zaq.EvaluateDetector(ctx, m, o.data, o.EvalOptions)
	p.Done()
	if err != nil {
		return err
	}
	if !o.json {
		return report.Detection(a.stdout, d)
	}
	return report.JSON(a.stdout, d)
}
