import HilumCore
import HilumEvaluation
import HilumMCR

extension PilotReport: JSONWritable {
    /// One object with sorted keys.
    var json: JSON {
        JSON(members: [
            // The first of the sorted keys: by it the verb knows its own file again.
            "by": PilotReport.program, "version": version, "date": date, "model_name": modelName, "model": model,
            "options": options.json.snakeCased, "steps": steps, "data": data, "cost": cost, "summary": summary,
            "misses": misses,
        ]).sorted
    }
}

extension PilotReport.Data: JSONWritable {
    var json: JSON {
        JSON(members: [
            "pairs": pairs, "labels_from_reports": hasLabelsFromReports, "without_image": withoutImage,
            "without_report": withoutReport, "refused": refused,
            "lookalikes": lookalikes,
        ])
    }
}

extension PilotReport.Data.Refusal: JSONWritable {
    var json: JSON { JSON(members: ["source": source, "reason": reason]) }
}

extension PilotReport.Cost: JSONWritable {
    var json: JSON {
        JSON(members: [
            "read_seconds": readSeconds, "fold_seconds": foldSeconds, "training_seconds": trainingSeconds,
            "pairs_per_second": pairsPerSecond, "all_pairs_seconds": allPairsSeconds, "processor": processor,
            "cores": cores, "threads": threads, "total_seconds": totalSeconds,
        ])
    }
}

extension PilotReport.Miss: JSONWritable {
    /// All but the numbers, which find the pictures for the page.
    var json: JSON {
        JSON(members: [
            "id": id, "gallery": gallery, "image_to_report_before": imageToReportBefore,
            "image_to_report_after": imageToReportAfter, "report_to_image_before": reportToImageBefore,
            "report_to_image_after": reportToImageAfter, "image_found": imageFound, "report_found": reportFound,
        ])
    }
}
