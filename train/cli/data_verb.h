#pragma once
/// \file
/// The parts of `cosformer data`.

namespace cosformer {

int run_data_make(int argc, char** argv);      // data_make.cpp
int run_data_check(int argc, char** argv);     // data_check.cpp
int run_data_tokenize(int argc, char** argv);  // data_tokenize.cpp

}  // namespace cosformer
