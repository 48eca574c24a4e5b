#include "certs/development.h"

#include "base/log.h"

#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <sys/stat.h>
#include <system_error>

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

namespace postern::certs {
namespace {

// Clients take no longer one, even where somebody told them to trust it.
constexpr std::chrono::days lifetime{397};
constexpr std::chrono::days made_anew_before{30};
constexpr std::string_view common_name = "Postern development";

using Names = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;

std::unexpected<Error> system_failure(const std::filesystem::path& file, int error) {
  return fail(Errc::io,
              fmt::format("{}: {}", file.string(), std::generic_category().message(error)));
}

bool add_host(GENERAL_NAMES* names, std::string_view host) {
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (text == nullptr || name == nullptr ||
      ASN1_STRING_set(text, host.data(), static_cast<int>(host.size())) != 1) {
    ASN1_IA5STRING_free(text);
    GENERAL_NAME_free(name);
    return false;
  }
  GENERAL_NAME_set0_value(name, GEN_DNS, text);
  return sk_GENERAL_NAME_push(names, name) > 0;
}

bool add_address(GENERAL_NAMES* names, const char* address) {
  ASN1_OCTET_STRING* octets = a2i_IPADDRESS(address);
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (octets == nullptr || name == nullptr) {
    ASN1_OCTET_STRING_free(octets);
    GENERAL_NAME_free(name);
    return false;
  }
  GENERAL_NAME_set0_value(name, GEN_IPADD, octets);
  return sk_GENERAL_NAME_push(names, name) > 0;
}

bool add_names(X509* certificate, const std::string& hostname) {
  const Names names(GENERAL_NAMES_new());
  return names && (hostname == "localhost" || add_host(names.get(), hostname)) &&
         add_host(names.get(), "localhost") && add_address(names.get(), "127.0.0.1") &&
         add_address(names.get(), "::1") &&
         X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, 0) == 1;
}

bool add_extension(X509* certificate, int what, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value);
  const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool set_serial(X509* certificate) {
  std::uint64_t serial = 0;
  return RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1 &&
         ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1U) == 1;
}

bool set_time(ASN1_TIME* when, Time time) {
  return ASN1_TIME_set(when, time.time_since_epoch().count()) != nullptr;
}

X509Certificate make_certificate(EVP_PKEY* key, const std::string& hostname, Time now) {
  X509Certificate made(X509_new());
  X509* const certificate = made.get();
  const bool good =
      made && X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
      // A clock that is a little behind is no reason to refuse it.
      set_time(X509_getm_notBefore(certificate), now - std::chrono::hours{1}) &&
      set_time(X509_getm_notAfter(certificate), now + lifetime) &&
      X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_ASC,
                                 reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) == 1 &&
      X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
      X509_set_pubkey(certificate, key) == 1 &&
      add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
      add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
      add_names(certificate, hostname) && X509_sign(certificate, key, EVP_sha256()) > 0;
  if (!good) made.reset();
  return made;
}

// Whole under its name or not at all; `write` puts the content into the file.
template <class Write>
Result<void> write_file(const std::filesystem::path& file, Write write) {
  std::string temporary = file.string() + ".XXXXXX";
  const int descriptor = ::mkstemp(temporary.data());  // mode 0600
  if (descriptor < 0) return system_failure(file, errno);
  const Bio bio(BIO_new_fd(descriptor, BIO_CLOSE));
  ERR_clear_error();
  errno = 0;
  if (write(bio.get()) == 1 && ::fsync(descriptor) == 0 &&
      ::rename(temporary.c_str(), file.c_str()) == 0) {
    return {};
  }
  const int error = errno;
  ::unlink(temporary.c_str());
  if (error != 0) return system_failure(file, error);
  return fail(Errc::io, fmt::format("{}: {}", file.string(), openssl_reason("not written")));
}

Result<void> make(const CertificateFiles& files, const std::string& hostname, Time now) {
  ERR_clear_error();
  const PrivateKey key(EVP_EC_gen("P-256"));
  const auto certificate = key ? make_certificate(key.get(), hostname, now) : nullptr;
  if (!certificate) {
    return fail(Errc::io, "the development certificate: " + openssl_reason("not made"));
  }
  auto written = write_file(files.key, [&](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  if (!written) return written;
  return write_file(files.certificate,
                    [&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); });
}

Result<void> make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (folder.has_parent_path()) std::filesystem::create_directories(folder.parent_path(), error);
  if (::mkdir(folder.c_str(), S_IRWXU) == 0 || errno == EEXIST) return {};
  return system_failure(folder, errno);
}

// Why what is there is of no use; empty where it is good.
Result<std::string> fault(const CertificateFiles& files, Time now) {
  const auto pair = KeyPair::load(files);
  if (pair) {
    return (*pair)->expires() > now + made_anew_before
               ? std::string()
               : fmt::format("it expires on {}", format_date((*pair)->expires()));
  }
  // What cannot be read may be good: it is not for us to replace.
  if (pair.error().code == Errc::io) return std::unexpected(pair.error());
  return pair.error().text;
}

Result<void> set_aside(const std::filesystem::path& file) {
  const auto old = file.string() + ".old";
  if (::rename(file.c_str(), old.c_str()) == 0 || errno == ENOENT) return {};
  return system_failure(file, errno);
}

}  // namespace

Result<CertificateFiles> development_certificate(const std::filesystem::path& folder,
                                                 const std::string& hostname, Time now) {
  CertificateFiles files{folder / "development.pem", folder / "development.key"};
  if (auto made = make_folder(folder); !made) return std::unexpected(made.error());
  std::error_code error;
  if (std::filesystem::exists(files.certificate, error) ||
      std::filesystem::exists(files.key, error)) {
    const auto why = fault(files, now);
    if (!why) return std::unexpected(why.error());
    if (why->empty()) return files;
    log::warning(
        fmt::format("the development certificate is made anew, the old one kept as {}.old: "
                    "{}",
                    files.certificate.string(), *why));
    for (const auto& file : {files.certificate, files.key}) {
      if (auto moved = set_aside(file); !moved) return std::unexpected(moved.error());
    }
  }
  if (auto made = make(files, hostname, now); !made) return std::unexpected(made.error());
  log::info(fmt::format("made a development certificate: {}", files.certificate.string()));
  return files;
}

}  // namespace postern::certs
