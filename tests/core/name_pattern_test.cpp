#include "core/name_pattern.h"

#include <vector>

#include "tests/catch.h"
#include "tests/support/input_error.h"

namespace cosformer::test {

TEST_CASE("a pattern stands for the names that a shell would take it for") {
  struct Row {
    const char *pattern, *name;
    bool matches;
  };
  constexpr Row kRows[] = {{"a.b", "a.b", true},
                           {"a.b", "a.bc", false},
                           {"a.b", "xa.b", false},
                           {"*", "", true},
                           {"*", "a.b.c", true},
                           {"a*c", "ac", true},
                           {"a*c", "a.b.c", true},
                           {"a*c", "a.b.cd", false},
                           {"*.q_proj", "x.y.q_proj", true},
                           {"*.q_proj", "q_proj", false},
                           {"?_proj", "q_proj", true},
                           {"?_proj", "_proj", false},
                           {"*a*b*", "xxayybzz", true},
                           {"*a*b*", "xxbyyazz", false},
                           {"", "", true},
                           {"", "a", false},
                           {"**", "a", true},
                           {"a", "", false}};
  for (const auto& [pattern, name, matches] : kRows) {
    CAPTURE(pattern, name);
    CHECK(matches_pattern(pattern, name) == matches);
  }
  const std::vector<std::string> patterns = {"a*", "*z"};
  CHECK(matches_any(patterns, "abc"));
  CHECK(matches_any(patterns, "xyz"));
  CHECK_FALSE(matches_any(patterns, "xy"));
  CHECK_FALSE(matches_any({}, "xy"));
}

TEST_CASE("a pattern that stands for nothing is refused with the name that is nearest to it") {
  const std::vector<std::string> names = {"decoder.layers.0.self_attn.q_proj.weight", "decoder.layers.0.fc1.weight",
                                          "decoder.layer_norm.bias"};
  const auto message = [&](const std::vector<std::string>& patterns) {
    return input_error_of([&] { check_patterns(patterns, names, "train.trainable", "parameter"); });
  };
  CHECK(message({"*.self_attn.*", "*.fc1.*"}).empty());
  CHECK(message({"*.fc1.*", "*.q_porj.*"}) ==
        "train.trainable: no parameter of the model is called \"*.q_porj.*\"; the nearest name is "
        "\"decoder.layers.0.self_attn.q_proj.weight\"");
  CHECK(message({"*.layernorm.*"}).ends_with("the nearest name is \"decoder.layer_norm.bias\""));
  CHECK(input_error_of([] { check_patterns(std::vector<std::string>{"*"}, {}, "lora.targets", "linear layer"); }) ==
        "lora.targets: no linear layer of the model is called \"*\"");
}

}  // namespace cosformer::test
