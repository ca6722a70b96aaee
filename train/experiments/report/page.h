#pragma once
/// \file
/// The report as one HTML page that needs nothing else: no script, no other file, no network.

#include <string>
#include <vector>

#include "train/experiments/experiment.h"
#include "train/experiments/report/heat_map.h"

namespace cosformer {

/// An experiment with the pictures that were made of its models.
struct ReportSection {
  Experiment experiment;
  std::vector<HeatMap> heat_maps;
  std::vector<std::string> notes;  ///< why heat maps are missing
};

/// The page; `version` of the program goes into its last line. With `reload_seconds` > 0 it says that runs go on, and a
/// browser loads it again after so long.
std::string write_page(const std::vector<ReportSection>& sections, const std::string& version, int reload_seconds = 0);

}  // namespace cosformer
