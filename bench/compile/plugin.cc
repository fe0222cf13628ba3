// bench/compile/plugin.cc - a C++ module as people write plugins: strings, containers, a regular expression.
//
// Nothing runs it: it is compiled, and most of it is the standard library.
#include <map>
#include <memory>
#include <regex>
#include <string>

static std::map<std::string, std::unique_ptr<std::string>> seen;

extern "C" __attribute__((export_name("on_line"))) int on_line(const char *text, unsigned len)
{
    static const std::regex pattern("([a-z]+)-(\\d+)");
    std::string line(text, len), key;
    std::smatch found;
    if (std::regex_search(line, found, pattern)) {
        key = found[1].str() + std::to_string(std::stoi(found[2]));
    }
    seen[key] = std::make_unique<std::string>(line);
    return static_cast<int>(seen.size());
}
