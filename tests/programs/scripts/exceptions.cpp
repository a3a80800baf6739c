// SPDX-License-Identifier: MIT
// C++: exceptions across threads, through the library's frames and from constructors; thread-local destructors that
// allocate; futures; placement and aligned new; a terminate handler; iostreams and locales.
#include <atomic>
#include <condition_variable>
#include <csetjmp>
#include <exception>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

std::atomic<int> destroyed{0};

struct Local {
	std::vector<std::string> words;
	~Local()
	{
		words.assign(100, std::string(200, 'x'));
		destroyed += static_cast<int>(words.size());
	}
};
thread_local Local local;

struct Part {
	explicit Part(int n) : data(n, n)
	{
		if (n == 13)
			throw std::runtime_error("part " + std::to_string(n));
	}
	std::vector<int> data;
};

struct alignas(256) Wide {
	char bytes[1000];
};

int deep(int n)
{
	std::string keep(n % 50, 'd');
	if (n == 0)
		throw std::out_of_range(keep + "deep");
	return deep(n - 1) + static_cast<int>(keep.size());
}

int churn(int seed)
{
	local.words.push_back("seed " + std::to_string(seed));
	int caught = 0;
	for (int i = 0; i < 300; i++) {
		try {
			std::vector<std::unique_ptr<Part>> parts;
			for (int n = 0; n < 20; n++)
				parts.push_back(std::make_unique<Part>(n + i % 2));
		} catch (const std::runtime_error &error) {
			caught += static_cast<int>(std::string(error.what()).size());
		}
		try {
			deep(i % 40);
		} catch (const std::logic_error &) {
			caught++;
		}
		delete new Wide;
	}
	return caught;
}

int out_of_memory()
{
	int caught = 0;
	for (std::size_t bytes : {std::size_t(1) << 62, std::size_t(-100)}) {
		try {
			std::unique_ptr<char[]> block(new char[bytes]);
		} catch (const std::bad_alloc &) {
			caught++;
		}
	}
	return caught + (::operator new(std::size_t(1) << 62, std::nothrow) == nullptr);
}

} // namespace

int main()
{
	std::vector<std::future<int>> results;
	for (int i = 0; i < 8; i++)
		results.push_back(std::async(std::launch::async, churn, i));
	int sum = 0;
	for (auto &result : results)
		sum += result.get();
	std::cout << "caught " << sum << " destroyed " << destroyed << "\n";

	std::exception_ptr kept;
	std::thread thread([&kept] {
		try {
			deep(100);
		} catch (...) {
			kept = std::current_exception();
		}
	});
	thread.join();
	try {
		std::rethrow_exception(kept);
	} catch (const std::exception &error) {
		std::cout << "rethrown " << error.what() << "\n";
	}
	std::promise<void> broken;
	auto waits = broken.get_future();
	std::thread([promise = std::move(broken)]() mutable {
		promise.set_exception(std::make_exception_ptr(std::string("a string")));
	}).join();
	try {
		waits.get();
	} catch (const std::string &word) {
		std::cout << "promised " << word << "\n";
	}
	std::cout << "out of memory " << out_of_memory() << "\n";

	std::jmp_buf place;
	volatile int jumps = 0;
	if (setjmp(place) < 100) {
		jumps = jumps + 1;
		std::longjmp(place, jumps);
	}
	std::cout << "jumps " << jumps << "\n";

	std::map<std::string, int> words;
	std::istringstream text("the quick brown fox jumps over the lazy dog the end");
	for (std::string word; text >> word;)
		words[word]++;
	std::ostringstream out;
	for (const auto &[name, count] : words)
		out << name << '=' << count << ' ';
	std::cout << out.str() << std::endl;
	std::set_terminate([] {
		std::cout << "terminate" << std::endl;
		std::_Exit(9);
	});
	std::thread([] { throw 1; }).join();
}
